"""Draw potentials that fit the ab initio frames as well as the refined one."""

from dynrefine.campaign.job import run_step

run_step("draw_potentials", snakemake)
