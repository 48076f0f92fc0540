"""Follow the gradient of a few trajectories to several depths, and choose the depth for all trajectories."""

from dynrefine.campaign.job import run_step

run_step("gradient_horizon", snakemake)
