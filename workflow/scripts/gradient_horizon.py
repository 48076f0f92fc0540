"""Follow the gradient of a few trajectories to several depths, and choose the one to follow all of them to."""

from dynrefine.campaign.job import run_step

run_step("gradient_horizon", snakemake)
