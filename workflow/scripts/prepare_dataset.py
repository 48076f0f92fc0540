"""Check the labelled frames, split them by blocks of time, and describe them."""

from dynrefine.campaign.job import run_step

run_step("prepare_dataset", snakemake)
