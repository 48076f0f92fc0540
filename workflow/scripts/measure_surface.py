"""Measure how far a refined surface has strayed, the gradient of that, and the metric of its step."""

from dynrefine.campaign.job import run_step

run_step("measure_surface", snakemake)
