"""The anchor: errors of an iteration's potential on the ab initio training frames, and their gradient."""

from dynrefine.campaign.job import run_step

run_step("anchor_gradient", snakemake)
