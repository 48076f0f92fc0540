"""The report."""

from dynrefine.campaign.job import Job
from dynrefine.config.steps import WriteReport
from dynrefine.report.page import write_page
from dynrefine.report.results import read_results


def write_report(job: Job, settings: WriteReport) -> None:
    """Write the campaign's results on one page."""
    write_page(job.outputs.report, read_results(vars(job.inputs), settings))
