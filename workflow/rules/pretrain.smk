rule initial_potential:
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
        settings=section("elements", "potential"),
        precision=campaign.precision,
        code=code("initial_potential"),
    script:
        "../scripts/initial_potential.py"


rule train_potential:
    input:
        train="<results>/dataset/train.extxyz",
        validation="<results>/dataset/validation.extxyz",
        test="<results>/dataset/test.extxyz",
    output:
        potential="<results>/pretraining/potential.npz",
        learning_curve="<results>/pretraining/potential_learning_curve.csv",
        errors=report(
            "<results>/pretraining/potential_errors.csv",
            caption="../report/training.rst",
            category="Pretraining",
            labels={"surface": "potential", "content": "errors"},
        ),
        parity="<results>/pretraining/potential_parity.npz",
    log:
        "<logs>/train_potential.log",
    benchmark:
        "<benchmarks>/train_potential.tsv"
    conda:
        "../../envs/dynrefine.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(120),
        gpu=0,
    params:
        settings=section("elements", "potential", "training"),
        seed=seed("train_potential"),
        precision=campaign.precision,
        code=code("train_potential"),
    script:
        "../scripts/train_potential.py"


rule train_dipole:
    input:
        train="<results>/dataset/train.extxyz",
        validation="<results>/dataset/validation.extxyz",
        test="<results>/dataset/test.extxyz",
    output:
        dipole="<results>/pretraining/dipole.npz",
        learning_curve="<results>/pretraining/dipole_learning_curve.csv",
        errors=report(
            "<results>/pretraining/dipole_errors.csv",
            caption="../report/training.rst",
            category="Pretraining",
            labels={"surface": "dipole", "content": "errors"},
        ),
        parity="<results>/pretraining/dipole_parity.npz",
    log:
        "<logs>/train_dipole.log",
    benchmark:
        "<benchmarks>/train_dipole.tsv"
    conda:
        "../../envs/dynrefine.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(120),
        gpu=0,
    params:
        settings=section("elements", "dipole", "dipole_training"),
        seed=seed("train_dipole"),
        precision=campaign.precision,
        code=code("train_dipole"),
    script:
        "../scripts/train_dipole.py"


rule measure_force_metric:
    input:
        potential="<results>/pretraining/potential.npz",
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
        settings=section("elements", "potential"),
        probes=campaign.optimiser.probes,
        seed=seed("measure_force_metric"),
        precision=campaign.precision,
        code=code("measure_force_metric"),
    script:
        "../scripts/measure_force_metric.py"
