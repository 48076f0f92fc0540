"""The potential with the surfaces that are refined with it, as one model."""

from dynrefine.campaign.job import run_step

run_step("join_surfaces", snakemake)
