"""Estimate how well the fitted measurements determine named parameters."""

from dynrefine.campaign.job import run_step

run_step("estimate_covariance", snakemake)
