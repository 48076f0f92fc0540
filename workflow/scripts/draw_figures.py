"""Draw the data set, and the learning curve and parity of each surface."""

from dynrefine.campaign.job import run_step

run_step("draw_figures", snakemake)
