"""The report of a campaign as one page."""

from pathlib import Path

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from dynrefine.campaign.provenance import config_hash, library_versions
from dynrefine.files.arrays import atomic_path
from dynrefine.report.chapters import all_chapters, force_error, tiles
from dynrefine.report.comparison import changes, judge
from dynrefine.report.results import STAGES, Results
from dynrefine.report.teacher import synthetic_sentence


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
    """The report of a campaign as self-contained HTML; only links lead outside."""
    environment = Environment(
        loader=PackageLoader("dynrefine.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    campaign = results.campaign
    compared = changes(results.properties["initial"], results.properties["refined"], results.state_names)
    errors = None
    if campaign.dataset is not None:
        initial, refined = (force_error(results, stage) for stage in STAGES)
        errors = initial, refined
    settings = campaign.model_dump(exclude={"labelling": {"command"}})  # it depends on the machine
    return environment.get_template("page.html").render(
        name=campaign.campaign.name,
        verdict=judge(compared, errors, synthetic_sentence(results)),
        tiles=tiles(results, compared),
        chapters=all_chapters(results, compared),
        settings=yaml.safe_dump(settings, sort_keys=False, allow_unicode=True),
        config_hash=config_hash(settings),
        seed=campaign.campaign.seed,
        versions=library_versions(),
        citations=results.citations,
    )
