"""The anchor of a refined surface: its errors on the ab initio training frames, and their gradient."""

from dynrefine.campaign.job import run_step

run_step("anchor_surface", snakemake)
