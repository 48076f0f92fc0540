"""Checks of elements and data sets."""

import math
import os
from collections.abc import Iterator

from ase.data import atomic_masses, atomic_numbers
from ase.symbols import string2symbols

from dynrefine.config.base import sentence
from dynrefine.config.data import DatasetSettings, FrameFile, ModelFile
from dynrefine.config.model import Config
from dynrefine.datasets.conversion import factor, known_units
from dynrefine.datasets.isotopes import ISOTOPES, is_symbol


def data(config: Config) -> Iterator[str]:
    """Elements that do not exist, and files that are not fully given."""
    symbols = [element.symbol for element in config.elements]
    for symbol in sorted({symbol for symbol in symbols if symbols.count(symbol) > 1}):
        yield sentence(
            f"elements lists {symbol} {symbols.count(symbol)} times",
            "each element once",
            "remove the duplicates",
        )
    for index, element in enumerate(config.elements):
        known = _masses_of(element.symbol)
        if known is None:
            yield sentence(
                f"elements[{index}].symbol is '{element.symbol}'", "a chemical symbol", "correct it"
            )
        elif not known[0] <= element.mass <= known[1]:
            yield sentence(
                f"elements[{index}].mass is {element.mass:g} u where its symbol is {element.symbol}",
                f"{known[0]:.4g} to {known[1]:.4g} u, the range of its isotopes",
                "correct it, or set heavier masses for the sampling in ensemble.masses",
            )
    for key, dataset in config.datasets().items():
        yield from _frames(key, dataset)
        if not dataset.files and (dataset is not config.dataset or config.labelling.geometries is None):
            remedy = "name one" + (
                ", or geometries to label in labelling.geometries" if dataset is config.dataset else ""
            )
            yield sentence(f"{key}.files is empty", "at least one file", remedy)
    for key, surface in config.surfaces_from_files().values():
        if surface.file is not None:
            yield from _download(f"{key}.file", surface.file)


def _frames(place: str, dataset: DatasetSettings) -> Iterator[str]:
    """Errors in the files of a data set and in how it is split."""
    total = sum(dict(dataset.fractions).values())
    if not math.isclose(total, 1.0, abs_tol=1e-6):
        yield sentence(f"{place}.fractions add up to {total:g}", "1", "change train, validation or test")
    for index, file in enumerate(dataset.files):
        yield from _download(f"{place}.files[{index}]", file)


def _download(key: str, file: FrameFile | ModelFile) -> Iterator[str]:
    """Errors in a file that may be a download."""
    if file.url is not None and not file.path:
        yield sentence(
            f"{key}.url is '{file.url}'",
            "an address that ends in a file name",
            f"correct it, or name the file in {key}.path, such as resources/frames.extxyz",
        )
    elif not file.path:
        yield sentence(f"{key} is empty", "a path or a url", "give one of them")
    elif file.url is not None and not file.path.startswith("resources/"):
        yield sentence(f"{key}.path is '{file.path}'", "a path in resources/", "leave it out")
    elif file.url is not None and file.sha256 is None:
        yield sentence(
            f"{key}.sha256 is missing", "the checksum of the download", "add the output of sha256sum"
        )


def _masses_of(symbol: str) -> tuple[float, float] | None:
    """Lowest and highest mass of the isotopes of an element, u; None if it is not an element."""
    if not is_symbol(symbol):
        return None
    if symbol in ISOTOPES:
        mass = ISOTOPES[symbol][1]
        return mass - 0.02, mass + 0.02
    number = atomic_numbers[symbol]
    if number == 1:
        return 1.0, 3.02
    mass = float(atomic_masses[number])
    # stable isotopes of light elements lie up to two mass units from the mean, those of heavy ones within 5 %
    spread = max(2.1, 0.05 * mass)
    return mass - spread, mass + spread


def labels(config: Config) -> Iterator[str]:
    """Errors in the conventions of labels: unknown units and symbols, and files that are listed twice."""
    for key, dataset in config.datasets().items():
        stated = {key: dataset} | {f"{key}.files[{index}]": file for index, file in enumerate(dataset.files)}
        for place, section in stated.items():
            for quantity, unit in section.units:
                if unit is not None and not _is_unit(quantity, unit):
                    yield sentence(
                        f"{place}.units.{quantity} is '{unit}'",
                        f"a unit such as {known_units(quantity)}",
                        "correct it",
                    )
            if section.atoms is not None and not _is_formula(section.atoms):
                yield sentence(
                    f"{place}.atoms is '{section.atoms}'", "a formula such as O64H128", "correct it"
                )
            for label, symbol in section.symbols.items():
                if not is_symbol(symbol):
                    yield sentence(
                        f"{place}.symbols.{label} is '{symbol}'", "a chemical symbol", "correct it"
                    )
        yield from _files_listed_twice(key, [file.path for file in dataset.files])


def _is_formula(text: str) -> bool:
    try:
        return all(map(is_symbol, string2symbols(text)))
    except ValueError:
        return False


def _files_listed_twice(key: str, paths: list[str]) -> Iterator[str]:
    seen: dict[str, int] = {}
    for index, path in enumerate(paths):
        place = os.path.normpath(path)
        if path and place in seen:
            yield sentence(
                f"{key}.files[{index}].path is '{path}', the same as {key}.files[{seen[place]}]",
                "each file once",
                "change or remove it",
            )
        seen.setdefault(place, index)


def _is_unit(quantity: str, unit: str) -> bool:
    try:
        return factor(quantity, unit) != 0.0
    except ValueError:
        return False
