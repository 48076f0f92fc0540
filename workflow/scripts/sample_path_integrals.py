"""Sample path integrals by i-PI with a potential."""

from dynrefine.campaign.job import run_step

run_step("sample_path_integrals", snakemake)
