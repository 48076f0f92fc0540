"""Write the campaign's results on one page."""

from dynrefine.job import job

with job(snakemake):
    from dynrefine.report.page import write_page
    from dynrefine.report.results import read_results

    params = snakemake.params
    results = read_results(snakemake.input, params.settings, params.states, params.benchmarks, params.logs)
    write_page(snakemake.output.report, results)
