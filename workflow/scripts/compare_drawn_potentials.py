"""Find how far the ab initio frames and the fitted measurements leave properties open."""

from dynrefine.campaign.job import run_step

run_step("compare_drawn_potentials", snakemake)
