"""Estimate what the fitted measurements determine of named parameters."""

from dynrefine.campaign.job import run_step

run_step("estimate_covariance", snakemake)
