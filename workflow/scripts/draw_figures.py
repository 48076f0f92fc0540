"""Draw the data set, the learning curves and the parity of both surfaces."""

from dynrefine.job import job

with job(snakemake):
    import pandas as pd

    from dynrefine.report.figures import dataset_figure, save_figure, training_figure
    from dynrefine.storage import read_arrays

    save_figure(snakemake.output.dataset, dataset_figure(pd.read_csv(snakemake.input.frames)))
    for surface in ("potential", "dipole"):
        curve = pd.read_csv(snakemake.input[f"{surface}_learning_curve"])
        parity = read_arrays(snakemake.input[f"{surface}_parity"], "parity").arrays
        save_figure(snakemake.output[surface], training_figure(curve, parity))
