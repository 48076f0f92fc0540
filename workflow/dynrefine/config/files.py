"""What the files of a campaign tell before its first job: measured ranges, and the charge of the frames."""

import math
import sys
from collections.abc import Iterator, Sequence
from fnmatch import filter as matching
from pathlib import Path

import numpy as np
from ase import Atoms

from dynrefine.config.base import TrainableSettings
from dynrefine.config.checks.properties import placed
from dynrefine.config.foundation import unlike_its_file
from dynrefine.config.model import Config
from dynrefine.config.properties.base import Measurement, Place, PropertySettings
from dynrefine.config.properties.scattering import IntermediateScatteringSettings
from dynrefine.config.surfaces.base import SurfaceSettings, differences
from dynrefine.config.surfaces.nequix import FoundationFile, NequixSettings
from dynrefine.datasets.conversion import factor
from dynrefine.datasets.deepmd import read_deepmd
from dynrefine.datasets.extended_xyz import first_frame, looks_like_xyz
from dynrefine.datasets.fetching import checksum
from dynrefine.datasets.isotopes import symbol_among, symbols_of
from dynrefine.errors import CampaignError
from dynrefine.files.arrays import read_metadata
from dynrefine.files.tables import read_measured_columns
from dynrefine.geometry.cell import cubic_edge, face_distances
from dynrefine.registry import plug_in

LARGEST_DISTANCE = 1.5  # in widths of the cell: how far all images of a pair are counted
LARGEST_CUTOFF = 2.0  # in widths of the cell: beyond it an atom sees more than its second images


def missing_files(config: Config) -> Iterator[str]:
    """A sentence for each file that is to be read and does not exist."""
    downloads = config.downloads()
    for key, path in _paths(config).items():
        if path not in downloads and not Path(path).exists():
            yield f"{key} is '{path}', expected an existing file: correct the path or put the file there."


def unsuitable_models(config: Config) -> Iterator[str]:
    """A sentence for each file of a surface that is there and holds another one than is described."""
    for name, (key, settings) in config.surfaces_from_files().items():
        if settings.file is None or not Path(settings.file.path).is_file():
            continue
        path, expected = Path(settings.file.path), settings.file.sha256
        found = checksum(path)
        if expected is not None and settings.file.url is None and found != expected:
            yield (
                f"{key}.file is '{path}' with the SHA-256 {found}, expected {expected}: give the file that it is of, "
                "or correct it."
            )
            continue
        try:
            metadata = read_metadata(path)
        except CampaignError as error:
            yield f"{key}.file: {error}"
            continue
        wanted = "potential" if name == "teacher" else name
        own = metadata.get("surfaces", {wanted: metadata}).get(wanted, {}).get("settings")
        if own is None:
            yield f"{key}.file is '{path}', expected a file with a {wanted}: give another one."
            continue
        for difference in differences(own, settings, config.elements):
            yield (
                f"{key}.file is '{path}', expected one made with the same settings, but {difference}: give the "
                "settings of the file."
            )


def unknown_parameters(config: Config) -> Iterator[str]:
    """A sentence for each pattern of parameters that matches none, and where none is left free."""
    for key, settings, surface in _patterns(config):
        # loaded by name, since it imports JAX, which no job needs for its configuration
        names = plug_in("files", "models").trainable_names(surface, config.elements)
        known = ", ".join(names)
        for index, pattern in enumerate(settings.trainable):
            if not matching(names, pattern.removeprefix("!")):
                yield (
                    f"{key}.trainable[{index}] is '{pattern}', expected a pattern that matches parameters of the "
                    f"{surface.kind} surface ({known}): correct or remove it."
                )
        if not any(map(settings.frees, names)):
            yield (
                f"{key}.trainable is {settings.trainable}, expected patterns that leave a parameter free ({known}): "
                "change them."
            )


def _patterns(config: Config) -> Iterator[tuple[str, TrainableSettings, SurfaceSettings]]:
    """The sections that say which parameters of a surface are free, with their keys."""
    given: list[tuple[str, TrainableSettings, SurfaceSettings]] = [
        ("optimiser", config.optimiser, config.potential),
        ("training", config.training, config.potential),
        ("dipole_training", config.dipole_training, config.dipole),
    ]
    for name, each in config.surfaces.items():
        given.append((f"surfaces.{name}.training", each.training, each.surface))
    for name, refined in config.refined_surfaces().items():
        given.append((f"optimiser.surfaces.{name}", config.optimiser.surfaces[name], refined.surface))
    if config.teacher and config.teacher.training:
        potential = config.teacher.potential or config.potential
        given.append(("teacher.training", config.teacher.training, potential))
    return (section for section in given if section[1].trainable)


def unfit_tasks(config: Config) -> Iterator[str]:
    """A sentence for each surface that cannot be refined, since its training does not tell what labels are to it."""
    for name in config.refined_surfaces():
        task = config.task_of(name)
        if plug_in("training", task).TASK.compared is None:
            yield (
                f"optimiser.surfaces.{name} is given, expected a surface whose training compares labels with "
                f"predictions (`compared` in the TASK of {task}): remove it, or add that to its module."
            )


def braces_in_paths(config: Config) -> Iterator[str]:
    """A sentence for each path in braces, which Snakemake would take for a wildcard."""
    for key, path in _paths(config).items():
        if "{" in path or "}" in path:
            yield f"{key} is '{path}', expected no braces, which Snakemake takes for wildcards: rename it."


def paths_beyond_the_locale(config: Config) -> Iterator[str]:
    """A sentence where paths have letters that this locale cannot write: they would be told as missing files."""
    encoding = sys.getfilesystemencoding()
    if encoding == "utf-8":
        return
    for key, path in {"the working directory": str(Path.cwd()), **_paths(config)}.items():
        if not path.isascii():
            yield (
                f"{key} is {ascii(path)}, expected a path in ASCII where the locale names files in {encoding}: set "
                "PYTHONUTF8=1 or LC_ALL=C.UTF-8, or rename it."
            )


def unsuitable_targets(config: Config) -> Iterator[str]:
    """A sentence for each measurement that cannot be read, or does not reach as far as it is compared."""
    for key, path, settings in _curves(config):
        read = _read(key, path)
        if isinstance(read, str):
            yield read
        else:
            names, values = read
            yield from settings.unsuitable_target(Measurement(key, path, names[0], values[:, 0]))


def unlike_foundations(config: Config) -> Iterator[str]:
    """A sentence for each key in which a potential is not the network that it begins with."""
    for key, potential, _ in _foundations(config):
        try:
            yield from unlike_its_file(potential, key)
        except CampaignError as error:
            yield f"{key}.foundation.path: {error}"


def oversized_cutoffs(config: Config, first: Sequence[Atoms]) -> Iterator[str]:
    """A sentence for each distance or wave that is too long for the cell of a state.

    Arguments:
        config: the campaign.
        first: frames of each file, of which the first with a cell is taken.
    """
    cell = next((frame.cell.array for frame in first if frame.cell.rank == 3), None)
    for key, state in config.states_by_key().items():
        if state.atoms is not None:
            heights = [cubic_edge(state.atoms * config.mean_mass(), state.density)]
        elif cell is not None:
            heights = face_distances(cell * np.asarray(state.supercell)[:, None]).tolist()
        else:
            continue
        enlarged = f"enlarge {key}.{'supercell' if state.atoms is None else 'atoms'}"
        for settings, place in placed(config):
            yield from _too_long(settings, place, heights, enlarged)
        cutoffs = {surface: potential.cutoff for surface, potential in config.potentials().items()}
        beside = config.surfaces_beside(config.all_properties())
        cutoffs |= {name: each.surface.cutoff for name, each in beside.items()}
        for surface, cutoff in cutoffs.items():
            if cutoff > LARGEST_CUTOFF * min(heights):
                yield (
                    f"{surface}.cutoff is {cutoff:g} Å, expected at most {LARGEST_CUTOFF * min(heights):.2f} Å, "
                    f"{LARGEST_CUTOFF:g} widths of that state's cell: lower it or {enlarged}."
                )


def _too_long(
    settings: PropertySettings, place: Place, heights: Sequence[float], enlarged: str
) -> Iterator[str]:
    """A sentence for each distance or wave of a property that is too long for a cell.

    Arguments:
        settings: of the property.
        place: where they stand.
        heights: distances between opposite faces of the cell, Å.
        enlarged: the remedy.
    """
    longest, widest = getattr(settings, "longest", None), getattr(settings, "widest", LARGEST_DISTANCE)
    if longest is not None and longest > widest * min(heights):
        yield (
            f"{place.key}.longest is {longest:g} Å, expected at most {widest * min(heights):.2f} Å, "
            f"{widest:g} widths of that state's cell: lower it or {enlarged}."
        )
    if isinstance(settings, IntermediateScatteringSettings):
        q, shortest = settings.momentum_transfer, 2.0 * math.pi / max(heights)
        if q + 0.5 * settings.width < shortest:
            yield (
                f"{place.key}.momentum_transfer is {q:g} 1/Å, expected at least {shortest:.3f} 1/Å, the shortest "
                f"wave vector of that state's cell: raise it or {enlarged}."
            )


def charged_compositions(config: Config, first: Sequence[Atoms]) -> Iterator[str]:
    """A sentence where formal charges do not add up to zero, so that dipoles would depend on the origin.

    Arguments:
        config: the campaign.
        first: frames of each file.
    """
    if not any("dipole" in settings.surfaces for settings in config.objective.observables.chosen().values()):
        return
    charges = {element.symbol: element.charge for element in config.elements}
    for frame in first:
        symbols = symbols_of(frame)
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
                f"elements gives the first frame of {frame.info['path']} the charge {total:+d} e ({terms}), expected "
                "0, since the dipole of charged cells depends on the origin: correct elements[*].charge."
            )
            return


def _paths(config: Config) -> dict[str, str]:
    """The files that are read, by their keys."""
    paths = {
        f"{key}.files[{index}]": file.path
        for key, dataset in config.datasets().items()
        for index, file in enumerate(dataset.files)
    }
    for key, settings in config.surfaces_from_files().values():
        if settings.file is not None:
            paths[f"{key}.file"] = settings.file.path
    if config.labelling.geometries is not None:
        paths["labelling.geometries"] = config.labelling.geometries
    paths |= {f"{key}.foundation.path": file.path for key, _, file in _foundations(config)}
    paths |= {key: path for key, path, _ in _curves(config)}
    return paths


def _foundations(config: Config) -> Iterator[tuple[str, NequixSettings, FoundationFile]]:
    """The key and the settings of each potential whose training begins with a file, and the file."""
    for key, potential in config.potentials().items():
        if (
            isinstance(potential, NequixSettings)
            and potential.is_trained
            and potential.foundation is not None
        ):
            yield key, potential, potential.foundation


def _curves(config: Config) -> Iterator[tuple[str, str, PropertySettings]]:
    """The key, the path and the settings of each measured curve."""
    for settings, place in placed(config):
        if settings.target_files:
            keys = [
                f"{place.key}.target",
                *(f"{place.key}.targets.{state}" for state in settings.own_targets),
            ]
            for key, path in zip(keys, settings.target_files, strict=True):
                yield key, path, settings


def _read(key: str, path: str) -> tuple[list[str], np.ndarray] | str:
    try:
        return read_measured_columns(path)
    except CampaignError as error:
        return f"{key}: {error}"


def first_frames(config: Config) -> Iterator[Atoms]:
    """The first frame of each file, in Å, its path in `info`; of those that can be read before the first job."""
    dataset = config.dataset
    if dataset is None:
        return
    elements = [element.symbol for element in config.elements]
    for file in dataset.files:
        path = Path(file.path)
        named = dataset.symbols | file.symbols
        try:
            if path.is_dir():
                frame = next(read_deepmd(path, elements, named, file.atoms or dataset.atoms))
            elif path.is_file() and looks_like_xyz(path):
                frame = first_frame(path, elements, named)
            else:
                continue
        except (CampaignError, StopIteration):
            continue  # what is wrong with the file is told when all of it is read
        unit = dataset.conventions_of(file)["units"].get("positions") or "angstrom"
        frame.set_cell(factor("positions", unit) * frame.cell.array)
        frame.info["path"] = file.path
        yield frame
