"""The metric of the natural gradient steps of a surface that is refined with the potential."""

from dynrefine.campaign.job import run_step

run_step("measure_surface_metric", snakemake)
