"""Write what the teacher has of a property as the measurement of its student."""

from dynrefine.campaign.job import run_step

run_step("write_target", snakemake)
