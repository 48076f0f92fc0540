"""Validate a potential with quantum nuclei, beside classical ones."""

from dynrefine.campaign.job import run_step

run_step("judge_path_integrals", snakemake)
