"""Download a file of frames and verify its checksum."""

from dynrefine.campaign.job import run_step

run_step("download_frames", snakemake)
