"""What the files of a campaign tell before its first job: measured ranges, and the charge of the frames."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from dynrefine.config.checks import properties_by_key
from dynrefine.config.model import Config
from dynrefine.config.properties import InfraredSettings, PropertySettings
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
    for group, settings, _ in properties_by_key(config):
        for key, path in _curves_of(group, settings):
            read = _read(key, path)
            if isinstance(read, str):
                yield read
            elif isinstance(settings, InfraredSettings):
                names, values = read
                yield from _another_unit(key, path, names[0], "wavenumbers in cm⁻¹", _NO_WAVENUMBERS)
                yield from _bands_beyond(group, path, settings, values[:, 0])
    structure = config.validation.structure
    if structure is not None and structure.target is not None:
        key = "validation.structure.target"
        read = _read(key, structure.target)
        if isinstance(read, str):
            yield read
            return
        names, values = read
        yield from _another_unit(key, structure.target, names[0], "distances in Å", _NO_ANGSTROMS)
        first, last = values[0, 0], values[-1, 0]
        if first >= structure.longest or last <= 0.0:
            yield (
                f"{key} is '{structure.target}', measured from {first:g} to {last:g} Å, expected distances below "
                f"validation.structure.longest, {structure.longest:g} Å: raise it or give another file."
            )


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
    for group, settings, _ in properties_by_key(config):
        paths |= dict(_curves_of(group, settings))
    structure = config.validation.structure
    if structure is not None and structure.target is not None:
        paths["validation.structure.target"] = structure.target
    return paths


def _curves_of(group: str, settings: PropertySettings) -> Iterator[tuple[str, str]]:
    """The key and the path of each measured curve of a property, whose section has this key."""
    if settings.target_files:
        keys = [f"{group}.target", *(f"{group}.targets.{state}" for state in settings.own_targets)]
        yield from zip(keys, settings.target_files, strict=True)


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


def _bands_beyond(section: str, path: str, settings: InfraredSettings, measured: np.ndarray) -> Iterator[str]:
    for index, band in enumerate(settings.bands):
        first, last = band.range
        if first < measured[0] or last > measured[-1]:
            yield (
                f"{section}.bands[{index}].range is [{first:g}, {last:g}] cm⁻¹, expected a part of what {path} "
                f"holds, {measured[0]:g} to {measured[-1]:g} cm⁻¹, all that was measured: narrow the band."
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
