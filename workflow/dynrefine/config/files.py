"""What the files of a campaign tell before its first job: measured ranges, and the charge of the frames."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from dynrefine.config.checks import properties_by_key
from dynrefine.config.model import Config
from dynrefine.config.properties import (
    InfraredSettings,
    PropertySettings,
    RadialDistributionSettings,
    StructureFactorSettings,
    VibrationsSettings,
)
from dynrefine.datasets.deepmd import read_deepmd
from dynrefine.datasets.extended_xyz import first_symbols, looks_like_xyz
from dynrefine.datasets.isotopes import symbol_among, symbols_of
from dynrefine.errors import CampaignError
from dynrefine.files.tables import read_measured_columns

# words in the name of an abscissa that tell another unit than cm⁻¹ or Å
_NO_WAVENUMBERS = ("thz", "ev", "mev", "um", "µm", "μm", "micron", "wavelength", "nm", "hz", "hartree")
_NO_ANGSTROMS = ("nm", "bohr", "pm", "au")


def missing_files(config: Config) -> Iterator[str]:
    """A sentence for each file that is to be read and does not exist."""
    downloads = {
        file.path for dataset in config.datasets().values() for file in dataset.files if file.url is not None
    }
    for key, path in _paths(config).items():
        if path not in downloads and not Path(path).exists():
            yield f"{key} is '{path}', expected an existing file: correct the path or put the file there."


def braces_in_paths(config: Config) -> Iterator[str]:
    """A sentence for each path in braces, which Snakemake would take for a wildcard."""
    for key, path in _paths(config).items():
        if "{" in path or "}" in path:
            yield f"{key} is '{path}', expected no braces, which Snakemake takes for wildcards: rename it."


def unsuitable_targets(config: Config) -> Iterator[str]:
    """A sentence for each measurement that cannot be read, or does not reach as far as it is compared."""
    for key, path, settings in _curves(config):
        read = _read(key, path)
        if isinstance(read, str):
            yield read
        elif isinstance(settings, InfraredSettings):
            names, values = read
            yield from _another_unit(key, path, names[0], "wavenumbers in cm⁻¹", _NO_WAVENUMBERS)
            yield from _bands_beyond(key, path, settings, values[:, 0])
        elif isinstance(settings, RadialDistributionSettings):
            names, values = read
            yield from _another_unit(key, path, names[0], "distances in Å", _NO_ANGSTROMS)
            yield from _distances_beyond(key, path, settings, values[:, 0])
        elif isinstance(settings, StructureFactorSettings | VibrationsSettings):
            yield from _range_beyond(key, path, settings, read[1][:, 0])


def charged_compositions(config: Config) -> Iterator[str]:
    """A sentence where formal charges do not add up to zero, so that dipoles would depend on the origin."""
    if not any("dipole" in settings.surfaces for settings in config.objective.observables.chosen().values()):
        return
    charges = {element.symbol: element.charge for element in config.elements}
    for index, file in enumerate(config.dataset.files if config.dataset else []):
        symbols = _first_composition(Path(file.path), config, index)
        known = [each for symbol in symbols if (each := symbol_among(symbol, charges)) is not None]
        if not known or len(known) < len(symbols):
            continue
        total = sum(charges[symbol] for symbol in known)
        if total:
            counts = {symbol: known.count(symbol) for symbol in charges if symbol in known}
            terms = ", ".join(
                f"{number} {symbol} of {charges[symbol]:+d}" for symbol, number in counts.items()
            )
            yield (
                f"elements gives the first frame of {file.path} the charge {total:+d} e ({terms}), expected 0, since "
                "the dipole of charged cells depends on the origin: correct elements[*].charge."
            )
            return


def _paths(config: Config) -> dict[str, str]:
    """The files that are read, by their keys."""
    paths = {
        f"{key}.files[{index}]": file.path
        for key, dataset in config.datasets().items()
        for index, file in enumerate(dataset.files)
    }
    if config.labelling.geometries is not None:
        paths["labelling.geometries"] = config.labelling.geometries
    paths |= {key: path for key, path, _ in _curves(config)}
    return paths


def _curves(config: Config) -> Iterator[tuple[str, str, PropertySettings]]:
    """The key, the path and the settings of each measured curve."""
    for group, settings, _ in properties_by_key(config):
        if settings.target_files:
            keys = [f"{group}.target", *(f"{group}.targets.{state}" for state in settings.own_targets)]
            for key, path in zip(keys, settings.target_files, strict=True):
                yield key, path, settings


def _read(key: str, path: str) -> tuple[list[str], np.ndarray] | str:
    try:
        return read_measured_columns(path)
    except CampaignError as error:
        return f"{key}: {error}"


def _another_unit(key: str, path: str, name: str, expected: str, words: tuple[str, ...]) -> Iterator[str]:
    found = [word for word in words if word in name.lower().replace("_", " ").replace("(", " ").split(" ")]
    found += [word for word in words if f"({word})" in name.lower()]
    if found:
        yield f"{key} is '{path}', whose first column is '{name}', expected {expected}: convert them."


def _bands_beyond(key: str, path: str, settings: InfraredSettings, measured: np.ndarray) -> Iterator[str]:
    section = key.rpartition(".target")[0]
    for index, band in enumerate(settings.bands):
        first, last = band.range
        if first < measured[0] or last > measured[-1]:
            yield (
                f"{section}.bands[{index}].range is [{first:g}, {last:g}] cm⁻¹, expected a part of what {path} "
                f"holds, {measured[0]:g} to {measured[-1]:g} cm⁻¹, all that was measured: narrow the band."
            )


def _distances_beyond(
    key: str, path: str, settings: RadialDistributionSettings, measured: np.ndarray
) -> Iterator[str]:
    first, last = settings.range or (0.0, settings.longest)
    if max(first, measured[0]) >= min(last, settings.longest, measured[-1]):
        section = key.rpartition(".target")[0]
        yield (
            f"{key} is '{path}', measured from {measured[0]:g} to {measured[-1]:g} Å, expected distances between "
            f"{first:g} and {min(last, settings.longest):g} Å: change {section}.range or {section}.longest, or give "
            "another file."
        )


def _range_beyond(
    key: str, path: str, settings: StructureFactorSettings | VibrationsSettings, measured: np.ndarray
) -> Iterator[str]:
    first, last = settings.range
    unit = "1/Å" if isinstance(settings, StructureFactorSettings) else "cm⁻¹"
    if first < measured[0] or last > measured[-1]:
        yield (
            f"{key.rpartition('.target')[0]}.range is [{first:g}, {last:g}], expected a part of what {path} holds, "
            f"{measured[0]:g} to {measured[-1]:g} {unit}: narrow it."
        )


def _first_composition(path: Path, config: Config, index: int) -> list[str]:
    """The symbols of the first frame of a file, none where they cannot be told before it is read."""
    assert config.dataset is not None
    named = config.dataset.symbols | config.dataset.files[index].symbols
    elements = [element.symbol for element in config.elements]
    try:
        if path.is_dir():
            return symbols_of(next(read_deepmd(path, elements, named)))
        if path.is_file() and looks_like_xyz(path):
            return first_symbols(path, elements, named)
    except (CampaignError, StopIteration):
        return []  # what is wrong with the file is told when all of it is read
    return []
