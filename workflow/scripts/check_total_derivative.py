"""Compare the gradient of the first iteration with the change of the objective between independent ensembles."""

from dynrefine.job import job

with job(snakemake):
    import pandas as pd

    from dynrefine.total_derivative import compare_with_ensembles
    from dynrefine.training.tables import write_table

    first = pd.read_csv(snakemake.input.history).iloc[0]
    displaced = zip(
        snakemake.params.displacements.items(), snakemake.input.above, snakemake.input.below, strict=True
    )
    rows = [
        compare_with_ensembles(first, parameter, displacement, pd.read_csv(above), pd.read_csv(below))
        for (parameter, displacement), above, below in displaced
    ]
    write_table(snakemake.output.table, pd.DataFrame(rows))
