"""Sample path integrals of a potential with i-PI."""

from dynrefine.campaign.job import run_step

run_step("sample_path_integrals", snakemake)
