"""Join the potential and the surfaces that are refined with it in one model."""

from dynrefine.campaign.job import run_step

run_step("join_surfaces", snakemake)
