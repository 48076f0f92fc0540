"""Compare the gradient of the first iteration with the change of the objective between independent ensembles."""

from dynrefine.job import job

with job(snakemake):
    import pandas as pd

    from dynrefine.total_derivative import compare_with_ensembles
    from dynrefine.training.tables import write_table

    objectives = [pd.read_csv(path) for path in snakemake.input.objectives]
    first = pd.read_csv(snakemake.input.history).iloc[0]
    write_table(
        snakemake.output.table,
        compare_with_ensembles(first, zip(snakemake.params.displacements.values(), objectives, strict=True)),
    )
