QUANTUM_STATES = campaign.quantum_states()
RUNS = [
    f"{run:02d}"
    for run in range(
        campaign.validation.path_integrals.runs
        if campaign.validation.path_integrals
        else 0
    )
]


rule sample_path_integrals:
    input:
        potential=potential_of,
        start="<results>/validation/{stage}/{state}/ensemble_00.npz",
    output:
        records="<results>/path_integrals/{stage}/{state}/records_{chunk}.npz",
    log:
        "<logs>/sample_path_integrals/{stage}_{state}_{chunk}.log",
    benchmark:
        "<benchmarks>/sample_path_integrals/{stage}_{state}_{chunk}.tsv"
    conda:
        "../../envs/dynrefine.yaml"
    threads: 1  # i-PI waits while forces are computed
    resources:
        mem_mb=growing(4000),
        runtime=growing(240),
        gpu=0,
    params:
        settings=settings_of_state(
            "sample_path_integrals",
            path_integrals=campaign.validation.path_integrals,
        ),
        seed=chunk_seed("sample_path_integrals"),
        precision=campaign.precision,
        code=code("sample_path_integrals", POTENTIAL_CODE),
    script:
        "../scripts/sample_path_integrals.py"


rule judge_path_integrals:
    input:
        potential=potential_of,
        records=expand(
            "<results>/path_integrals/{stage}/{state}/records_{chunk}.npz",
            state=QUANTUM_STATES,
            chunk=RUNS,
            allow_missing=True,
        ),
        ensembles=chunks_of_stage("ensemble", QUANTUM_STATES),
        targets=ALL_TARGET_FILES,
    output:
        properties=report(
            "<results>/path_integrals/{stage}/properties.csv",
            caption="../report/path_integrals.rst",
            category="Validation",
            labels={"potential": "{stage}", "content": "with quantum nuclei"},
        ),
        curves="<results>/path_integrals/{stage}/curves.npz",
        energies=report(
            "<results>/path_integrals/{stage}/energies.csv",
            caption="../report/path_integrals.rst",
            category="Validation",
            labels={
                "potential": "{stage}",
                "content": "energies with quantum nuclei",
            },
        ),
    log:
        "<logs>/judge_path_integrals/{stage}.log",
    benchmark:
        "<benchmarks>/judge_path_integrals/{stage}.tsv"
    conda:
        "../../envs/dynrefine.yaml"
    threads: 1
    resources:
        mem_mb=growing(8000),
        runtime=growing(60),
    params:
        settings=settings_of(
            "judge_path_integrals",
            STUDENT.of_validation(),
            states=QUANTUM_STATES,
            fitted_states=[*STATES],
            surfaces={},
        ),
        precision=campaign.precision,
        code=code("judge_path_integrals", [*VALIDATION_CODE, *ALL_PROPERTY_CODE]),
    script:
        "../scripts/judge_path_integrals.py"
