rule evaluate_objective:
    input:
        ensembles=chunks_of_iteration("ensemble"),
        trajectories=chunks_of_iteration("trajectories"),
        targets=TARGET_FILES,
    output:
        objective="<results>/refinement/{iteration}/objective.npz",
        table="<results>/refinement/{iteration}/objective.csv",
    log:
        "<logs>/evaluate_objective/{iteration}.log",
    benchmark:
        "<benchmarks>/evaluate_objective/{iteration}.tsv"
    conda:
        "../../envs/dynrefine.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(20),
    params:
        settings=settings_of("evaluate_objective", states=STATES),
        precision=campaign.precision,
        code=code("evaluate_objective", PROPERTY_CODE),
    script:
        "../scripts/evaluate_objective.py"


rule adjoint_gradient:
    input:
        potential=potential_of,
        surfaces=SURFACE_FILES,
        ensemble="<results>/refinement/{iteration}/{state}/ensemble_{chunk}.npz",
        trajectories="<results>/refinement/{iteration}/{state}/trajectories_{chunk}.npz",
        objective="<results>/refinement/{iteration}/objective.npz",
        targets=TARGET_FILES,
        horizon=HORIZON,
    output:
        gradient="<results>/refinement/{iteration}/{state}/gradient_{chunk}.npz",
    log:
        "<logs>/adjoint_gradient/{iteration}_{state}_{chunk}.log",
    benchmark:
        "<benchmarks>/adjoint_gradient/{iteration}_{state}_{chunk}.tsv"
    conda:
        "../../envs/dynrefine.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(120),
        gpu=0,
        limits=LIMITS,
    params:
        settings=settings_of_state(
            "adjoint_gradient", surfaces=OTHER_SURFACES, observable=None
        ),
        precision=campaign.precision,
        code=code("adjoint_gradient", EVERYTHING_CODE),
    script:
        "../scripts/adjoint_gradient.py"


rule anchor_gradient:
    input:
        potential=potential_of,
        train="<results>/dataset/train.extxyz",
    output:
        anchor="<results>/refinement/{iteration}/anchor.npz",
    log:
        "<logs>/anchor_gradient/{iteration}.log",
    benchmark:
        "<benchmarks>/anchor_gradient/{iteration}.tsv"
    conda:
        "../../envs/dynrefine.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
        gpu=0,
    params:
        settings=settings_of("anchor_gradient", anchor=campaign.objective.anchor),
        precision=campaign.precision,
        code=code("anchor_gradient", POTENTIAL_CODE),
    script:
        "../scripts/anchor_gradient.py"


rule measure_surface:
    input:
        potential=potential_of,
        beginning=beginning_of_surface,
        train=part_for_training("train"),
    output:
        anchor="<results>/refinement/{iteration}/anchors/{surface}.npz",
        metric=temp("<results>/refinement/{iteration}/metrics/{surface}.npz"),  # large
    log:
        "<logs>/measure_surface/{iteration}_{surface}.log",
    benchmark:
        "<benchmarks>/measure_surface/{iteration}_{surface}.tsv"
    conda:
        "../../envs/dynrefine.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
        gpu=0,
    params:
        settings=surface_settings,
        seed=chunk_seed("measure_surface"),
        precision=campaign.precision,
        code=surface_code,
    script:
        "../scripts/measure_surface.py"


rule update_potential:
    input:
        potential=potential_of,
        trajectories=chunks_of_iteration("trajectories"),
        gradients=chunks_of_iteration("gradient"),
        anchor=with_dataset("<results>/refinement/{iteration}/anchor.npz"),
        anchors_of_surfaces=expand(
            "<results>/refinement/{iteration}/anchors/{surface}.npz",
            surface=REFINED,
            allow_missing=True,
        ),
        objective="<results>/refinement/{iteration}/objective.npz",
        table="<results>/refinement/{iteration}/objective.csv",
        metric=FORCE_METRIC,
        metrics_of_surfaces=expand(
            "<results>/refinement/{iteration}/metrics/{surface}.npz",
            surface=REFINED,
            allow_missing=True,
        ),
        measured_potential=FIRST_POTENTIAL if FORCE_METRIC else [],
        measured_frames=TRAINING_FRAMES if FORCE_METRIC else [],
        optimiser=of_iteration_before("optimiser.npz"),
        history=of_iteration_before("history.csv"),
    output:
        potential="<results>/refinement/{iteration}/updated_potential.npz",
        optimiser="<results>/refinement/{iteration}/optimiser.npz",
        history="<results>/refinement/{iteration}/history.csv",
    log:
        "<logs>/update_potential/{iteration}.log",
    benchmark:
        "<benchmarks>/update_potential/{iteration}.tsv"
    conda:
        "../../envs/dynrefine.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(20),
    params:
        settings=settings_of("update_potential", states=STATES),
        precision=campaign.precision,
        code=code("update_potential", POTENTIAL_CODE),
    script:
        "../scripts/update_potential.py"


rule average_potentials:
    input:
        potentials=expand(
            "<results>/refinement/{iteration}/updated_potential.npz",
            iteration=ITERATIONS,
        ),
    output:
        potential="<results>/refinement/averaged_potential.npz",
    log:
        "<logs>/average_potentials.log",
    benchmark:
        "<benchmarks>/average_potentials.tsv"
    conda:
        "../../envs/dynrefine.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        settings=settings_of("average_potentials"),
        precision=campaign.precision,
        code=code("average_potentials", POTENTIAL_CODE),
    script:
        "../scripts/average_potentials.py"


rule gradient_horizon:
    input:
        potential=FIRST_POTENTIAL,
        surfaces=SURFACE_FILES,
        ensemble=f"<results>/refinement/000/{next(iter(STATES))}/ensemble_00.npz",
        targets=TARGET_FILES,
    output:
        table=report(
            "<results>/gradient_horizon/horizon.csv",
            caption="../report/gradient_horizon.rst",
            category="Gradient",
            labels={"content": "signal and noise by depth"},
        ),
    log:
        "<logs>/gradient_horizon.log",
    benchmark:
        "<benchmarks>/gradient_horizon.tsv"
    conda:
        "../../envs/dynrefine.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
        gpu=0,
        limits=LIMITS,
    params:
        settings=settings_of(
            "gradient_horizon",
            state=FIRST_STATE,
            surfaces=OTHER_SURFACES,
            along=ALONG,
            at_start=AT_START,
        ),
        precision=campaign.precision,
        code=code("gradient_horizon", EVERYTHING_CODE),
    script:
        "../scripts/gradient_horizon.py"
