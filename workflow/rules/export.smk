rule export_potential:
    input:
        potential=potential_of,
        surfaces=ALL_SURFACE_FILES,
    output:
        exported="<results>/export/{stage}.npz",
    log:
        "<logs>/export_potential/{stage}.log",
    benchmark:
        "<benchmarks>/export_potential/{stage}.tsv"
    conda:
        "../../envs/dynrefine.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(10),
    params:
        settings=settings_of("export_potential", surfaces=ALL_SURFACES),
        precision=campaign.precision,
        code=code("export_potential", ALL_SURFACE_CODE),
    script:
        "../scripts/export_potential.py"


use rule export_potential as export_iteration with:
    input:
        potential="<results>/refinement/{iteration}/updated_potential.npz",
        surfaces=ALL_SURFACE_FILES,
    output:
        exported="<results>/export/{iteration}.npz",
    log:
        "<logs>/export_iteration/{iteration}.log",
    benchmark:
        "<benchmarks>/export_iteration/{iteration}.tsv"


rule export:
    input:
        "<results>/export/refined.npz",
