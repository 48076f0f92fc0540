"""Measure how parameters change the forces on the ab initio frames: the metric of the natural gradient."""

from dynrefine.campaign.job import run_step

run_step("measure_force_metric", snakemake)
