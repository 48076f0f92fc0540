"""Write the teacher's value of a property as the measurement for its student."""

from dynrefine.campaign.job import run_step

run_step("write_target", snakemake)
