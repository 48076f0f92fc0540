"""The gradient of the objective through the trajectories and the starting points of one chunk."""

from dynrefine.campaign.job import run_step

run_step("adjoint_gradient", snakemake)
