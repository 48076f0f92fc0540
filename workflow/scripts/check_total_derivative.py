"""Compare the gradient of the first iteration with the change of the objective between independent ensembles."""

from dynrefine.campaign.job import run_step

run_step("check_total_derivative", snakemake)
