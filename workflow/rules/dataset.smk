rule download_frames:
    output:
        frames="resources/{file}",
    log:
        "<logs>/download_frames/{file}.log",
    benchmark:
        "<benchmarks>/download_frames/{file}.tsv"
    wildcard_constraints:
        file=any_of(DOWNLOADED_FILES),
    retries: 2
    conda:
        "../../envs/dynrefine.yaml"
    threads: 1
    resources:
        mem_mb=growing(500),
        runtime=growing(30),
        url=address,  # a resource: with the same checksum the file is the same wherever it comes from
    params:
        settings=download,
        code=code("download_frames"),
    script:
        "../scripts/download_frames.py"


use rule download_frames as download_folder with:
    output:
        frames=directory("resources/{file}"),
    log:
        "<logs>/download_folder/{file}.log",
    benchmark:
        "<benchmarks>/download_folder/{file}.tsv"
    wildcard_constraints:
        file=any_of(DOWNLOADED_FOLDERS),


rule label_frames:
    input:
        geometries=campaign.labelling.geometries or [],
    output:
        frames="<results>/labelling/batch_{batch}.extxyz",
    log:
        "<logs>/label_frames/{batch}.log",
    benchmark:
        "<benchmarks>/label_frames/{batch}.tsv"
    conda:
        "../../envs/cp2k.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(240),
        command=campaign.labelling.command,  # a resource: changing it changes no label
    params:
        settings=settings_of("label_frames"),
        code=code("label_frames"),
    script:
        "../scripts/label_frames.py"


rule prepare_dataset:
    input:
        frames=frames_of(campaign.dataset),
        contents=contents_of(campaign.dataset),
        labelled=expand("<results>/labelling/batch_{batch}.extxyz", batch=BATCHES),
    output:
        train="<results>/dataset/train.extxyz",
        validation="<results>/dataset/validation.extxyz",
        test="<results>/dataset/test.extxyz",
        frames="<results>/dataset/frames.csv",
        summary=report(
            "<results>/dataset/summary.csv",
            caption="../report/dataset.rst",
            category="Data set",
            labels={"content": "frames in each part"},
        ),
    log:
        "<logs>/prepare_dataset.log",
    benchmark:
        "<benchmarks>/prepare_dataset.tsv"
    conda:
        "../../envs/dynrefine.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(20),
    params:
        settings=settings_of(
            "prepare_dataset",
            dataset=without_addresses(campaign.dataset),
            needed=["energy", "forces"],
        ),
        seed=seed("prepare_dataset"),
        code=code("prepare_dataset"),
    script:
        "../scripts/prepare_dataset.py"


use rule prepare_dataset as prepare_own_dataset with:
    input:
        frames=frames_of_surface,
        contents=contents_of_surface,
        labelled=[],
    output:
        train="<results>/dataset_{surface}/train.extxyz",
        validation="<results>/dataset_{surface}/validation.extxyz",
        test="<results>/dataset_{surface}/test.extxyz",
        frames="<results>/dataset_{surface}/frames.csv",
        summary="<results>/dataset_{surface}/summary.csv",
    log:
        "<logs>/prepare_own_dataset/{surface}.log",
    benchmark:
        "<benchmarks>/prepare_own_dataset/{surface}.tsv"
    params:
        settings=own_dataset_settings,
        seed=own_dataset_seed,
        code=code("prepare_dataset"),
