"""Write a potential that needs no training, with the parameters of the configuration."""

from dynrefine.campaign.job import run_step

run_step("initial_potential", snakemake)
