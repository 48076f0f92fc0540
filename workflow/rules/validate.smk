use rule sample_ensemble as sample_validation with:
    input:
        potential=potential_of,
        start=TRAINING_FRAMES,
    output:
        ensemble="<results>/validation/{stage}/{state}/ensemble_{chunk}.npz",
    log:
        "<logs>/sample_validation/{stage}_{state}_{chunk}.log",
    benchmark:
        "<benchmarks>/sample_validation/{stage}_{state}_{chunk}.tsv"
    params:
        settings=settings_of_stage("sample_ensemble"),
        seed=chunk_seed("sample_validation"),
        precision=campaign.precision,
        code=code_of_stage("sample_ensemble", SAMPLER_CODE),


use rule run_trajectories as run_validation with:
    input:
        potential=potential_of,
        surfaces=surface_files_of_stage,
        ensemble="<results>/validation/{stage}/{state}/ensemble_{chunk}.npz",
    output:
        trajectories="<results>/validation/{stage}/{state}/trajectories_{chunk}.npz",
    log:
        "<logs>/run_validation/{stage}_{state}_{chunk}.log",
    benchmark:
        "<benchmarks>/run_validation/{stage}_{state}_{chunk}.tsv"
    params:
        settings=settings_of_stage(
            "run_trajectories",
            surfaces=surfaces_of_stage,
            along=VALIDATED_ALONG,
            at_start=VALIDATED_AT_START,
            of_atoms=False,
            depth=None,
        ),
        precision=campaign.precision,
        code=code_of_stage("run_trajectories", VALIDATION_CODE),


rule validate:
    input:
        potential=potential_of,
        surfaces=surface_files_of_stage,
        ensembles=ensembles_of_stage,
        trajectories=trajectories_of_stage,
        test=with_dataset("<results>/dataset/test.extxyz"),
        tests_of_surfaces=test_frames_of_stage,
        targets=targets_of_stage,
    output:
        properties=report(
            "<results>/validation/{stage}/properties.csv",
            caption="../report/validation.rst",
            category="Validation",
            labels={"potential": "{stage}", "content": "properties"},
        ),
        errors=report(
            "<results>/validation/{stage}/errors.csv",
            caption="../report/validation.rst",
            category="Validation",
            labels={"potential": "{stage}", "content": "errors on the test frames"},
        ),
        curves="<results>/validation/{stage}/curves.npz",
    log:
        "<logs>/validate/{stage}.log",
    benchmark:
        "<benchmarks>/validate/{stage}.tsv"
    conda:
        "../../envs/dynrefine.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(30),
        gpu=0,
    params:
        settings=settings_of_stage(
            "validate",
            fitted_states=[*STATES],
            surfaces=surfaces_of_stage,
            tasks=tasks_of_stage,
        ),
        precision=campaign.precision,
        code=code_of_stage(
            "validate", [*VALIDATION_CODE, *ALL_PROPERTY_CODE, *TASK_CODE]
        ),
    script:
        "../scripts/validate.py"
