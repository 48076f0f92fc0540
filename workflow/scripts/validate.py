"""Validate a potential by long independent runs and by its errors on the ab initio test frames."""

from dynrefine.campaign.job import run_step

run_step("validate", snakemake)
