"""Write the initial potential with one of its parameters displaced."""

from dynrefine.campaign.job import run_step

run_step("displace_potential", snakemake)
