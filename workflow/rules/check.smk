rule check_gradient:
    input:
        potential=FIRST_POTENTIAL,
        surfaces=SURFACE_FILES,
        ensemble=f"<results>/refinement/000/{next(iter(STATES))}/ensemble_00.npz",
        targets=TARGET_FILES,
    output:
        table=report(
            "<results>/check_gradient/gradient_check.csv",
            caption="../report/gradient_check.rst",
            category="Gradient",
            labels={"content": "adjoint against central differences"},
        ),
    log:
        "<logs>/check_gradient.log",
    benchmark:
        "<benchmarks>/check_gradient.tsv"
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
            "check_gradient", state=FIRST_STATE, surfaces=OTHER_SURFACES
        ),
        seed=seed("check_gradient"),
        precision="float64",  # both precisions are checked; the finite differences need this one
        code=code("check_gradient", EVERYTHING_CODE),
    script:
        "../scripts/check_gradient.py"


rule displace_potential:
    input:
        potential=FIRST_POTENTIAL,
    output:
        potential="<results>/check_gradient/{stage}/potential.npz",
    log:
        "<logs>/displace_potential/{stage}.log",
    benchmark:
        "<benchmarks>/displace_potential/{stage}.tsv"
    conda:
        "../../envs/dynrefine.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        settings=displacement,
        precision=campaign.precision,
        code=code("displace_potential", POTENTIAL_CODE),
    script:
        "../scripts/displace_potential.py"


use rule evaluate_objective as evaluate_displaced with:
    input:
        ensembles=chunks_of_stage("ensemble", STATES),
        trajectories=chunks_of_stage("trajectories", STATES),
        targets=TARGET_FILES,
    output:
        objective="<results>/check_gradient/{stage}/objective.npz",
        table="<results>/check_gradient/{stage}/objective.csv",
    log:
        "<logs>/evaluate_displaced/{stage}.log",
    benchmark:
        "<benchmarks>/evaluate_displaced/{stage}.tsv"
    params:
        settings=settings_of(
            "evaluate_objective", STUDENT.of_validation(), states=STATES
        ),
        precision=campaign.precision,
        code=code("evaluate_objective", PROPERTY_CODE),


use rule adjoint_gradient as gradient_of_observable with:
    input:
        potential=FIRST_POTENTIAL,
        surfaces=SURFACE_FILES,
        ensemble="<results>/refinement/000/{state}/ensemble_{chunk}.npz",
        trajectories="<results>/refinement/000/{state}/trajectories_{chunk}.npz",
        objective="<results>/refinement/000/objective.npz",
        targets=TARGET_FILES,
        horizon=HORIZON,
    output:
        gradient="<results>/check_gradient/{observable}/{state}/gradient_{chunk}.npz",
    log:
        "<logs>/gradient_of_observable/{observable}_{state}_{chunk}.log",
    benchmark:
        "<benchmarks>/gradient_of_observable/{observable}_{state}_{chunk}.tsv"
    params:
        settings=settings_of_observable,
        precision=campaign.precision,
        code=code("adjoint_gradient", EVERYTHING_CODE),


rule check_total_derivative:
    input:
        potential=FIRST_POTENTIAL,
        gradients=gradients_of_observables(),
        above=objectives_displaced("above"),
        below=objectives_displaced("below"),
    output:
        table=report(
            "<results>/check_gradient/total_derivative.csv",
            caption="../report/total_derivative.rst",
            category="Gradient",
            labels={"content": "gradient against independent ensembles"},
        ),
    log:
        "<logs>/check_total_derivative.log",
    benchmark:
        "<benchmarks>/check_total_derivative.tsv"
    conda:
        "../../envs/dynrefine.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        settings=settings_of(
            "check_total_derivative",
            states=STATES,
            observables=[*OBSERVABLES],
            displacements=DISPLACEMENTS,
        ),
        precision=campaign.precision,
        code=code("check_total_derivative", POTENTIAL_CODE),
    script:
        "../scripts/check_total_derivative.py"
