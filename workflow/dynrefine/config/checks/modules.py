"""Checks of names of modules."""

from collections.abc import Iterator

from dynrefine.config.base import sentence
from dynrefine.config.model import Config
from dynrefine.registry import is_found, modules_with


def modules(config: Config) -> Iterator[str]:
    """Samplers and trainings that do not exist, and options that no sampler reads."""
    sampler = config.ensemble.kind
    yield from _unknown("ensemble.kind", sampler, "sampling", "SAMPLER")
    if config.ensemble.options and "." not in sampler:
        yield sentence(
            f"ensemble.options is {config.ensemble.options} where ensemble.kind is {sampler}",
            "none, since only samplers outside the library have options",
            "remove it, or correct the kind",
        )
    for name, each in config.surfaces.items():
        if each.task is not None or each.surface.is_trained:
            yield from _unknown(f"surfaces.{name}.task", config.task_of(name), "training", "TASK")


def _unknown(key: str, name: str, folder: str, constant: str) -> Iterator[str]:
    """A sentence if no module in a folder of the library, or outside it, has this name."""
    known = modules_with(folder, constant)
    if name not in known and not ("." in name and is_found(folder, name)):
        yield sentence(
            f"{key} is '{name}'",
            f"{', '.join(known)} or the dotted name of a module that Python finds",
            "correct it, or install the package that holds it",
        )
