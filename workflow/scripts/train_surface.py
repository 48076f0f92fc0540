"""Fit a surface to the ab initio frames."""

from dynrefine.campaign.job import run_step

run_step("train_surface", snakemake)
