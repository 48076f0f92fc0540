"""The report as one page: which figures and tables, with what said about them."""

from pathlib import Path

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from dynrefine.campaign.provenance import config_hash, library_versions
from dynrefine.files.arrays import atomic_path
from dynrefine.report.comparison import changes, judge
from dynrefine.report.results import STAGES, Results
from dynrefine.report.sections import all_sections, force_error, tiles


def write_page(path: str | Path, results: Results) -> None:
    """Write the report of a campaign as one self-contained HTML page.

    Arguments:
        path: the file to write.
        results: of the campaign.
    """
    page = render_page(results)
    with atomic_path(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def render_page(results: Results) -> str:
    """The report of a campaign as HTML that refers to nothing outside but by links."""
    environment = Environment(
        loader=PackageLoader("dynrefine.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    compared = changes(results.properties["initial"], results.properties["refined"])
    errors = None
    if results.settings["dataset"]:
        initial, refined = (force_error(results, stage) for stage in STAGES)
        errors = initial, refined
    return environment.get_template("page.html").render(
        name=results.settings["campaign"]["name"],
        verdict=judge(compared, errors),
        tiles=tiles(results, compared),
        sections=all_sections(results, compared),
        settings=yaml.safe_dump(results.settings, sort_keys=False, allow_unicode=True),
        config_hash=config_hash(results.settings),
        seed=results.settings["campaign"]["seed"],
        versions=library_versions(),
        citations=results.citations,
    )
