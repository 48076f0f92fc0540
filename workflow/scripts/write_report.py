"""Write the campaign's results on one page."""

from dynrefine.job import job

with job(snakemake):
    from dynrefine.report.page import write_page
    from dynrefine.report.results import read_results

    results = read_results(
        snakemake.input, snakemake.params.settings, snakemake.params.states, snakemake.params.benchmarks
    )
    write_page(snakemake.output.report, results)
