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
        settings=settings_of_state("sample_ensemble", campaign.of_validation()),
        seed=chunk_seed("sample_validation"),
        precision=campaign.precision,
        code=code("sample_ensemble", [*POTENTIAL_CODE, *SAMPLER_CODE]),


use rule run_trajectories as run_validation with:
    input:
        potential=potential_of,
        surfaces=ALL_SURFACE_FILES,
        ensemble="<results>/validation/{stage}/{state}/ensemble_{chunk}.npz",
    output:
        trajectories="<results>/validation/{stage}/{state}/trajectories_{chunk}.npz",
    log:
        "<logs>/run_validation/{stage}_{state}_{chunk}.log",
    benchmark:
        "<benchmarks>/run_validation/{stage}_{state}_{chunk}.tsv"
    params:
        settings=settings_of_state(
            "run_trajectories",
            campaign.of_validation(),
            surfaces=ALL_SURFACES,
            along=VALIDATED_ALONG,
            at_start=VALIDATED_AT_START,
            depth=None,
        ),
        precision=campaign.precision,
        code=code("run_trajectories", VALIDATION_CODE),


rule validate:
    input:
        potential=potential_of,
        surfaces=ALL_SURFACE_FILES,
        ensembles=chunks_of_stage("ensemble", JUDGED_STATES),
        trajectories=chunks_of_stage("trajectories", JUDGED_STATES),
        test=with_dataset("<results>/dataset/test.extxyz"),
        targets=ALL_TARGET_FILES,
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
    params:
        settings=settings_of(
            "validate",
            campaign.of_validation(),
            states=JUDGED_STATES,
            fitted_states=[*STATES],
            surfaces=ALL_SURFACES,
        ),
        precision=campaign.precision,
        code=code("validate", [*VALIDATION_CODE, *ALL_PROPERTY_CODE]),
    script:
        "../scripts/validate.py"
