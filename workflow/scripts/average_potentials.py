"""The mean of the potentials of the last iterations."""

from dynrefine.campaign.job import run_step

run_step("average_potentials", snakemake)
