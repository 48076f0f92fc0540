use rule initial_potential as teacher_potential with:
    input:
        file=TEACHER.potential.file.path if TEACHER.potential.file else [],
    output:
        potential="<results>/teacher_potential.npz",
    log:
        "<logs>/teacher_potential.log",
    benchmark:
        "<benchmarks>/teacher_potential.tsv"
    params:
        settings=settings_of(
            "initial_potential", surface=TEACHER.potential, name="potential"
        ),
        precision=campaign.precision,
        code=code("initial_potential", TEACHER_CODE),


rule write_target:
    input:
        curves="<results>/validation/teacher/curves.npz",
    output:
        target="<results>/targets/{property}_{state}.csv",
    log:
        "<logs>/write_target/{property}_{state}.log",
    benchmark:
        "<benchmarks>/write_target/{property}_{state}.tsv"
    conda:
        "../../envs/dynrefine.yaml"
    threads: 1
    resources:
        mem_mb=growing(500),
        runtime=growing(10),
    params:
        settings=settings_of("write_target"),
        code=code("write_target"),
    script:
        "../scripts/write_target.py"


rule compare_with_teacher:
    input:
        potential=potential_of,
        teacher=TEACHER_POTENTIAL,
        ensembles=[
            path.replace("{stage}", "teacher")
            for path in chunks_of_stage("ensemble", JUDGED_STATES)
        ],
        test=with_dataset("<results>/dataset/test.extxyz"),
    output:
        table=report(
            "<results>/validation/{stage}/against_teacher.csv",
            caption="../report/teacher.rst",
            category="Validation",
            labels={"potential": "{stage}", "content": "difference from the teacher"},
        ),
    log:
        "<logs>/compare_with_teacher/{stage}.log",
    benchmark:
        "<benchmarks>/compare_with_teacher/{stage}.tsv"
    conda:
        "../../envs/dynrefine.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(20),
    params:
        settings=settings_of(
            "compare_with_teacher", states=JUDGED_STATES, teacher=TEACHER.potential
        ),
        precision=campaign.precision,
        code=code("compare_with_teacher", [*POTENTIAL_CODE, *TEACHER_CODE]),
    script:
        "../scripts/compare_with_teacher.py"
