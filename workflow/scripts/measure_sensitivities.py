"""Run from the starting points of a chunk again at displaced parameters."""

from dynrefine.campaign.job import run_step

run_step("measure_sensitivities", snakemake)
