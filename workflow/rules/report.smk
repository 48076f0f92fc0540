from pathlib import Path

from dynrefine.campaign.provenance import config_hash

PAGE = Path(workflow.basedir, "workflow/dynrefine/report/templates/page.html")


rule draw_figures:
    input:
        frames="<results>/dataset/frames.csv",
        learning_curves=of_surfaces("learning_curve.csv"),
        parities=of_surfaces("parity.npz"),
    output:
        dataset=report(
            "<results>/dataset/summary.png",
            category="Data set",
            labels={"content": "energies and forces"},
        ),
        surfaces=report(
            expand("<results>/pretraining/{surface}.png", surface=TRAINED),
            category="Pretraining",
            labels={"content": "learning curve and parity"},
        ),
    log:
        "<logs>/draw_figures.log",
    benchmark:
        "<benchmarks>/draw_figures.tsv"
    conda:
        "../../envs/dynrefine.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(20),
    params:
        settings=settings_of("draw_figures"),
        code=code("draw_figures"),
    script:
        "../scripts/draw_figures.py"


rule write_report:
    input:
        figures=rules.draw_figures.output if campaign.dataset else [],
        history=f"<results>/refinement/{ITERATIONS[-1]}/history.csv",
        objectives=expand(
            "<results>/refinement/{iteration}/objective.npz", iteration=ITERATIONS
        ),
        properties=expand("<results>/validation/{stage}/properties.csv", stage=STAGES),
        errors=expand("<results>/validation/{stage}/errors.csv", stage=STAGES),
        curves=expand("<results>/validation/{stage}/curves.npz", stage=STAGES),
        path_integrals=PATH_INTEGRALS,
        surface_learning_curves=of_surfaces("learning_curve.csv"),
        surface_errors=of_surfaces("errors.csv"),
        surface_parities=of_surfaces("parity.npz"),
        frames=with_dataset("<results>/dataset/frames.csv"),
        summary=with_dataset("<results>/dataset/summary.csv"),
        own_frames=expand(
            "<results>/dataset_{surface}/frames.csv",
            surface=[name for name in TRAINED if name in OWN_DATASETS],
        ),
        gradient_check="<results>/check_gradient/gradient_check.csv",
        total_derivative=TOTAL_DERIVATIVE,
        horizon=HORIZON,
        covariance=COVARIANCE,
        sensitivities=SENSITIVITIES,
        left_open=LEFT_OPEN,
        targets=ALL_TARGET_FILES,
        teacher=(
            "<results>/validation/teacher/properties.csv" if campaign.teacher else []
        ),
        against_teacher=expand(
            "<results>/validation/{stage}/against_teacher.csv",
            stage=STAGES if campaign.teacher else [],
        ),
    output:
        report=report(
            "<results>/report.html",
            caption="../report/summary.rst",
            category="Summary",
            labels={"content": "the campaign on one page"},
        ),
    log:
        "<logs>/write_report.log",
    benchmark:
        "<benchmarks>/write_report.tsv"
    conda:
        "../../envs/dynrefine.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(20),
    params:
        settings=settings_of(
            "write_report",
            configuration=campaign.without_command(),
            surfaces=TRAINED,
            benchmarks=f"results/{campaign.campaign.name}/benchmarks",  # timings never make the report stale
            logs=f"results/{campaign.campaign.name}/logs",
        ),
        code=code("write_report"),
        template=config_hash({"page": PAGE.read_text(encoding="utf-8")}),
    script:
        "../scripts/write_report.py"
