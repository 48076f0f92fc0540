"""Judge a potential by its long independent runs and by its errors on the ab initio test frames."""

from dynrefine.campaign.job import run_step

run_step("validate", snakemake)
