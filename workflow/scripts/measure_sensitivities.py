"""Run again from the starting points of a chunk, at displaced parameters."""

from dynrefine.campaign.job import run_step

run_step("measure_sensitivities", snakemake)
