rule sample_ensemble:
    input:
        potential=potential_of,
        start=start_of_ensemble,
        former=former_ensembles,
        former_potentials=former_potentials,
    output:
        ensemble="<results>/refinement/{iteration}/{state}/ensemble_{chunk}.npz",
    log:
        "<logs>/sample_ensemble/{iteration}_{state}_{chunk}.log",
    benchmark:
        "<benchmarks>/sample_ensemble/{iteration}_{state}_{chunk}.tsv"
    conda:
        "../../envs/dynrefine.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(120),
        gpu=0,
    params:
        settings=settings_of_state("sample_ensemble"),
        seed=chunk_seed("sample_ensemble"),
        precision=campaign.precision,
        code=code("sample_ensemble", [*POTENTIAL_CODE, *SAMPLER_CODE]),
    script:
        "../scripts/sample_ensemble.py"


rule run_trajectories:
    input:
        potential=potential_of,
        surfaces=SURFACE_FILES,
        ensemble="<results>/refinement/{iteration}/{state}/ensemble_{chunk}.npz",
        horizon=HORIZON,
    output:
        trajectories="<results>/refinement/{iteration}/{state}/trajectories_{chunk}.npz",
    log:
        "<logs>/run_trajectories/{iteration}_{state}_{chunk}.log",
    benchmark:
        "<benchmarks>/run_trajectories/{iteration}_{state}_{chunk}.tsv"
    conda:
        "../../envs/dynrefine.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
        gpu=0,
        limits=LIMITS,
    params:
        settings=settings_of_state(
            "run_trajectories",
            surfaces=OTHER_SURFACES,
            along=ALONG,
            at_start=AT_START,
            of_atoms=campaign.gradient.locality is not None,
            depth=campaign.gradient.depth,
        ),
        precision=campaign.precision,
        code=code("run_trajectories", DYNAMICS_CODE),
    script:
        "../scripts/run_trajectories.py"
