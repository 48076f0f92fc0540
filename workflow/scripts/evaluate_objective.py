"""Gather all trajectories of an iteration: properties, losses and what the gradient jobs need of them."""

from dynrefine.campaign.job import run_step

run_step("evaluate_objective", snakemake)
