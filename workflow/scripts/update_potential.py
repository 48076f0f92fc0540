"""Sum the gradients of all chunks, move the potential one step, and tell the history of it."""

from dynrefine.campaign.job import run_step

run_step("update_potential", snakemake)
