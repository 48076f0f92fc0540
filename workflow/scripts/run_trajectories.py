"""Run constant-energy trajectories both ways in time from every starting point of a chunk."""

from dynrefine.campaign.job import run_step

run_step("run_trajectories", snakemake)
