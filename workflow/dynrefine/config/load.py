"""Reading a configuration; all its errors are reported at once, one sentence each."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from dynrefine.config.checks import unsuitable_values
from dynrefine.config.checks.results import unusable_results
from dynrefine.config.messages import sentences
from dynrefine.config.model import Config
from dynrefine.config.unread import unreadable_values
from dynrefine.errors import CampaignError


def load_config(source: str | Path | Mapping[str, Any]) -> Config:
    """The configuration in a YAML file or in a dictionary.

    Raises:
        CampaignError: one sentence for every key that is unknown, missing or unsuitable.
    """
    values = source if isinstance(source, Mapping) else read_yaml(Path(source))
    _raise_if_any(unreadable_values(values))
    try:
        config = Config.model_validate(values)
    except ValidationError as error:
        raise CampaignError("\n".join(sentences(error))) from None
    _raise_if_any(unsuitable_values(config))
    return config


def read_together(paths: Iterable[Path]) -> dict[str, Any]:
    """The values of several files, where each overrides those before it key by key, as in Snakemake.

    Raises:
        CampaignError: a file cannot be read.
    """
    values: dict[str, Any] = {}
    for path in paths:
        values = _on_top(values, read_yaml(path))
    return values


def _on_top(below: Any, above: Mapping[str, Any]) -> dict[str, Any]:
    kept = dict(below) if isinstance(below, Mapping) else {}
    return kept | {
        key: _on_top(kept.get(key), value) if isinstance(value, Mapping) else value
        for key, value in above.items()
    }


def check_files(config: Config) -> None:
    """Check, from the working directory, that a campaign's files exist and suit it, and its results can be written.

    Raises:
        CampaignError: one sentence for every missing file, for every cell too small for a cutoff, and if the
            results cannot be written.
    """
    # importing the readers of frames takes half a second, which jobs save since their campaign was checked
    from dynrefine.config.file_checks import unsuitable_files

    _raise_if_any(unusable_results(config))
    for problems in unsuitable_files(config):
        _raise_if_any(problems)


def _raise_if_any(problems: Iterable[str]) -> None:
    message = "\n".join(problems)
    if message:
        raise CampaignError(message)


def read_yaml(path: Path) -> dict[str, Any]:
    """The values of a configuration in YAML.

    Raises:
        CampaignError: there is no such file, it is not YAML in UTF-8, or it has a key twice.
    """
    try:
        values = yaml.load(path.read_text(encoding="utf-8-sig"), _OneOfEachKey)
    except FileNotFoundError:
        raise CampaignError(f"{path} does not exist: give the path of a configuration in YAML.") from None
    except IsADirectoryError:
        raise CampaignError(f"{path} is a folder: give the path of a configuration in YAML.") from None
    except UnicodeDecodeError:
        raise CampaignError(
            f"{path} is not in UTF-8 (perhaps UTF-16), expected a configuration in UTF-8: save it as UTF-8."
        ) from None
    except _KeyTwiceError as error:
        raise CampaignError(f"{path}, {error}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise CampaignError(
            f"{path}{where} is not valid YAML: correct the indentation, quotes or brackets there."
        ) from None
    if not isinstance(values, dict):
        raise CampaignError(f"{path} holds no sections: start from config/config.yaml.")
    return values


class _KeyTwiceError(yaml.YAMLError):
    """A key that occurs twice in a section; YAML's own readers would take the last."""


class _OneOfEachKey(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        """Read a section; a key that occurs twice is an error."""
        lines: dict[Any, int] = {}
        for key_node, _ in node.value:
            key, line = key_node.value, key_node.start_mark.line + 1
            if isinstance(key_node, yaml.ScalarNode) and key != "<<" and key in lines:
                raise _KeyTwiceError(
                    f"lines {lines[key]} and {line} both have the key {key}, expected it once in its section: remove "
                    "one of them."
                )
            if isinstance(key_node, yaml.ScalarNode):
                lines[key] = line
        return super().construct_mapping(node, deep)
