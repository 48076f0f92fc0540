"""Compare the adjoint gradient with backpropagation and with central differences, on short trajectories."""

from dynrefine.campaign.job import run_step

run_step("check_gradient", snakemake)
