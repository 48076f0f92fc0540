"""Compare the parameters and the forces of a potential with those of its teacher."""

from dynrefine.campaign.job import run_step

run_step("compare_with_teacher", snakemake)
