"""Draw the data set, the learning curves and the parity of both surfaces."""

from dynrefine.campaign.job import run_step

run_step("draw_figures", snakemake)
