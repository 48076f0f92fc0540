"""Sum the gradients of all chunks, move the potential one step, and extend the history."""

from dynrefine.campaign.job import run_step

run_step("update_potential", snakemake)
