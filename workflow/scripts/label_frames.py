"""Label one batch of geometries with the electronic-structure engine."""

from dynrefine.campaign.job import run_step

run_step("label_frames", snakemake)
