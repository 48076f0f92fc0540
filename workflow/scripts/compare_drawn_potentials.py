"""Find what the ab initio frames and the fitted measurements leave open of properties."""

from dynrefine.campaign.job import run_step

run_step("compare_drawn_potentials", snakemake)
