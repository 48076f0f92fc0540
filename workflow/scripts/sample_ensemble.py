"""Sample starting points of trajectories, from the data set or by continuing the previous ensemble."""

from dynrefine.campaign.job import run_step

run_step("sample_ensemble", snakemake)
