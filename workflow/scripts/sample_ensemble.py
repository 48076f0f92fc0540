"""Sample starting points of trajectories with one potential: from the data set, or on from the former ensemble."""

from dynrefine.campaign.job import run_step

run_step("sample_ensemble", snakemake)
