rule initial_potential:
    input:
        file=file_of_surface,
    output:
        potential="<results>/initial_potential.npz",
    log:
        "<logs>/initial_potential.log",
    benchmark:
        "<benchmarks>/initial_potential.tsv"
    conda:
        "../../envs/dynrefine.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        settings=untrained,
        precision=campaign.precision,
        code=code_of_surface,
    script:
        "../scripts/initial_potential.py"


use rule initial_potential as surface_from_file with:
    output:
        potential="<results>/from_files/{surface}.npz",
    log:
        "<logs>/surface_from_file/{surface}.log",
    benchmark:
        "<benchmarks>/surface_from_file/{surface}.tsv"


rule train_surface:
    input:
        train=part_for_training("train"),
        validation=part_for_training("validation"),
        test=part_for_training("test"),
    output:
        model="<results>/pretraining/{surface}.npz",
        learning_curve="<results>/pretraining/{surface}_learning_curve.csv",
        errors=report(
            "<results>/pretraining/{surface}_errors.csv",
            caption="../report/training.rst",
            category="Pretraining",
            labels={"surface": "{surface}", "content": "errors"},
        ),
        parity="<results>/pretraining/{surface}_parity.npz",
    log:
        "<logs>/train_surface/{surface}.log",
    benchmark:
        "<benchmarks>/train_surface/{surface}.tsv"
    conda:
        "../../envs/dynrefine.yaml"
    threads: 1
    resources:
        mem_mb=growing(8000),
        runtime=growing(120),
        gpu=0,
    params:
        settings=training,
        seed=training_seed,
        precision=campaign.precision,
        code=training_code,
    script:
        "../scripts/train_surface.py"


rule join_surfaces:
    input:
        potential=POTENTIAL_ALONE,
        surfaces=surface_files(REFINED),
    output:
        potential="<results>/pretraining/joined_potential.npz",
    log:
        "<logs>/join_surfaces.log",
    benchmark:
        "<benchmarks>/join_surfaces.tsv"
    conda:
        "../../envs/dynrefine.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        settings=settings_of("join_surfaces"),
        precision=campaign.precision,
        code=code("join_surfaces", POTENTIAL_CODE),
    script:
        "../scripts/join_surfaces.py"


rule measure_force_metric:
    input:
        potential=FIRST_POTENTIAL,
        train="<results>/dataset/train.extxyz",
    output:
        metric="<results>/pretraining/force_metric.npz",
    log:
        "<logs>/measure_force_metric.log",
    benchmark:
        "<benchmarks>/measure_force_metric.tsv"
    conda:
        "../../envs/dynrefine.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(30),
        gpu=0,
    params:
        settings=settings_of("measure_force_metric"),
        seed=seed("measure_force_metric"),
        precision=campaign.precision,
        code=code("measure_force_metric", POTENTIAL_CODE),
    script:
        "../scripts/measure_force_metric.py"
