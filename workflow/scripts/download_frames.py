"""Download a file of frames and verify its checksum."""

from dynrefine.job import job

with job(snakemake):
    from dynrefine.datasets.fetching import fetch

    fetch(snakemake.params.url, snakemake.params.sha256, snakemake.output[0])
