"""Write a potential as one file for ASE, i-PI and programs that run StableHLO."""

from dynrefine.campaign.job import run_step

run_step("export_potential", snakemake)
