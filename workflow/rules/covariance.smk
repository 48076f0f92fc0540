rule draw_potentials:
    input:
        potential=potential_of,
        errors="<results>/validation/{stage}/errors.csv",
        metric=METRIC,
        measured_potential=FIRST_POTENTIAL,
        measured_frames=TRAINING_FRAMES,
    output:
        changes="<results>/validation/{stage}/drawn_potentials.npz",
    log:
        "<logs>/draw_potentials/{stage}.log",
    benchmark:
        "<benchmarks>/draw_potentials/{stage}.tsv"
    conda:
        "../../envs/dynrefine.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(30),
    params:
        settings=settings_of("draw_potentials"),
        seed=seed("draw_potentials"),
        precision="float64",  # of small differences
        code=code("draw_potentials", POTENTIAL_CODE),
    script:
        "../scripts/draw_potentials.py"


rule measure_sensitivities:
    input:
        potential=potential_of,
        changes=([] if NAMED else "<results>/validation/{stage}/drawn_potentials.npz"),
        surfaces=ALL_SURFACE_FILES,
        ensemble="<results>/validation/{stage}/{state}/ensemble_{chunk}.npz",
        trajectories="<results>/validation/{stage}/{state}/trajectories_{chunk}.npz",
        targets=ALL_TARGET_FILES,
        horizon=HORIZON,
    output:
        sensitivities="<results>/validation/{stage}/{state}/sensitivities_{chunk}.npz",
    log:
        "<logs>/measure_sensitivities/{stage}_{state}_{chunk}.log",
    benchmark:
        "<benchmarks>/measure_sensitivities/{stage}_{state}_{chunk}.tsv"
    conda:
        "../../envs/dynrefine.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
        gpu=0,
    params:
        settings=settings_of_state(
            "measure_sensitivities",
            STUDENT.of_validation(),
            surfaces=ALL_SURFACES,
            along=VALIDATED_ALONG,
            at_start=VALIDATED_AT_START,
            of_atoms=False,
            depth=campaign.gradient.depth,
        ),
        precision="float64",  # of small differences
        code=code("measure_sensitivities", [*VALIDATION_CODE, *ALL_PROPERTY_CODE]),
    script:
        "../scripts/measure_sensitivities.py"


rule estimate_covariance:
    input:
        potential=potential_of,
        ensembles=chunks_of_stage("ensemble", JUDGED_STATES),
        sensitivities=chunks_of_stage("sensitivities", JUDGED_STATES),
        targets=ALL_TARGET_FILES,
    output:
        covariance=report(
            "<results>/validation/{stage}/covariance.csv",
            caption="../report/covariance.rst",
            category="Validation",
            labels={"potential": "{stage}", "content": "covariance of the parameters"},
        ),
        sensitivities="<results>/validation/{stage}/sensitivities.csv",
    log:
        "<logs>/estimate_covariance/{stage}.log",
    benchmark:
        "<benchmarks>/estimate_covariance/{stage}.tsv"
    conda:
        "../../envs/dynrefine.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(30),
    params:
        settings=settings_of(
            "estimate_covariance",
            STUDENT.of_validation(),
            states=JUDGED_STATES,
            fitted_states=[*STATES],
        ),
        precision="float64",
        code=code("estimate_covariance", [*POTENTIAL_CODE, *ALL_PROPERTY_CODE]),
    script:
        "../scripts/estimate_covariance.py"


rule compare_drawn_potentials:
    input:
        ensembles=chunks_of_stage("ensemble", JUDGED_STATES),
        sensitivities=chunks_of_stage("sensitivities", JUDGED_STATES),
        targets=ALL_TARGET_FILES,
    output:
        left_open=report(
            "<results>/validation/{stage}/left_open.csv",
            caption="../report/left_open.rst",
            category="Validation",
            labels={"potential": "{stage}", "content": "what is left open"},
        ),
    log:
        "<logs>/compare_drawn_potentials/{stage}.log",
    benchmark:
        "<benchmarks>/compare_drawn_potentials/{stage}.tsv"
    conda:
        "../../envs/dynrefine.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(30),
    params:
        settings=settings_of(
            "compare_drawn_potentials",
            STUDENT.of_validation(),
            states=JUDGED_STATES,
            fitted_states=[*STATES],
        ),
        precision="float64",
        code=code("compare_drawn_potentials", ALL_PROPERTY_CODE),
    script:
        "../scripts/compare_drawn_potentials.py"
