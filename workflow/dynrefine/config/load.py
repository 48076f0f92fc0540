"""Reading a configuration; whatever is wrong with it is told in sentences, all at once."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from dynrefine.config.checks import missing_files, oversized_cutoffs, unsuitable_values, unusable_results
from dynrefine.config.messages import sentences
from dynrefine.config.model import Config
from dynrefine.errors import CampaignError


def load_config(source: str | Path | Mapping[str, Any]) -> Config:
    """The configuration in a YAML file or in a dictionary.

    Raises:
        CampaignError: one sentence for every key that is unknown, missing or unsuitable.
    """
    values = source if isinstance(source, Mapping) else _read(Path(source))
    try:
        config = Config.model_validate(values)
    except ValidationError as error:
        raise CampaignError("\n".join(sentences(error))) from None
    _raise_if_any(unsuitable_values(config))
    return config


def check_files(config: Config) -> None:
    """Make sure, from the working directory, that a campaign's files exist, suit its settings and can be written.

    Raises:
        CampaignError: one sentence for every missing file, for every cell too small for a cutoff, and where the
            results cannot be written.
    """
    _raise_if_any(unusable_results(config))
    _raise_if_any(missing_files(config))
    _raise_if_any(oversized_cutoffs(config))


def _raise_if_any(problems: Iterable[str]) -> None:
    message = "\n".join(problems)
    if message:
        raise CampaignError(message)


def _read(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CampaignError(f"{path} does not exist: give the path of a configuration in YAML.") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise CampaignError(
            f"{path}{where} is not valid YAML: mend the indentation, the quotes or the brackets there."
        ) from None
    if not isinstance(values, dict):
        raise CampaignError(f"{path} holds no sections: begin from config/config.yaml.")
    return values
