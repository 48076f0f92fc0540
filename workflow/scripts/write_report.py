"""Write the campaign's results on one page."""

from dynrefine.campaign.job import run_step

run_step("write_report", snakemake)
