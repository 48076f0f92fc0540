"""Checks of settings against the first frames: the size of their cells, and their charge."""

import math
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import numpy as np
from ase import Atoms

from dynrefine.config.checks.properties import placed
from dynrefine.config.dynamics import State
from dynrefine.config.model import Config
from dynrefine.config.properties.base import Place, PropertySettings
from dynrefine.config.properties.scattering import IntermediateScatteringSettings
from dynrefine.datasets.deepmd import read_deepmd
from dynrefine.datasets.extended_xyz import first_frame, looks_like_xyz
from dynrefine.datasets.isotopes import symbol_among, symbols_of
from dynrefine.errors import CampaignError
from dynrefine.geometry.cell import cubic_edge, face_distances, scaled_to_density

LARGEST_DISTANCE = 1.5  # in widths of the cell: up to here all images of a pair are counted
LARGEST_CUTOFF = 2.0  # in widths of the cell: beyond it an atom sees more than its second images


def first_frames(config: Config) -> Iterator[Atoms]:
    """The first frame of each file, and of the geometries to label, that can be read before the first job.

    Its `info` holds the path; the unit of its positions is that of the file.
    """
    dataset = config.dataset
    if dataset is None:
        return
    elements = [element.symbol for element in config.elements]
    files: list[tuple[str, dict[str, str], str | None]] = [
        (file.path, dataset.symbols | file.symbols, file.atoms or dataset.atoms) for file in dataset.files
    ]
    if config.labelling.geometries is not None:
        files.append((config.labelling.geometries, {}, None))
    for name, named, formula in files:
        path = Path(name)
        try:
            if path.is_dir():
                frame = next(read_deepmd(path, elements, named, formula))
            elif path.is_file() and looks_like_xyz(path):
                frame = first_frame(path, elements, named)
            else:
                continue
        except (CampaignError, StopIteration):
            continue  # errors in the file are reported when all of it is read
        frame.info["path"] = name
        yield frame


def oversized_cutoffs(config: Config, first: Sequence[Atoms]) -> Iterator[str]:
    """A sentence for each distance or wave that is too long for the cell of a state.

    Sampling starts from the most common composition of all frames, which the first frames do not reveal. What fits
    into the smallest of their cells, each at the density of the state, fits into the others too. Geometries to label
    may be few and small, so they count only if there are no other files.

    Arguments:
        config: the campaign.
        first: first frame of each file.
    """
    for key, state in config.states_by_key().items():
        heights = _heights(config, state, first)
        if heights is None:
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


def charged_compositions(config: Config, first: Sequence[Atoms]) -> Iterator[str]:
    """A sentence if formal charges do not add up to zero and a property depends on them.

    Arguments:
        config: the campaign.
        first: first frame of each file.
    """
    if not any("dipole" in settings.surfaces or settings.of_charges for settings, _ in placed(config)):
        return
    charges = {element.symbol: element.charge for element in config.elements}
    for frame in first:
        known = _symbols(frame, charges)
        total = sum(charges[symbol] for symbol in known)
        if total:
            counts = {symbol: known.count(symbol) for symbol in charges if symbol in known}
            terms = ", ".join(
                f"{number} {symbol} of {charges[symbol]:+d}" for symbol, number in counts.items()
            )
            yield (
                f"elements gives the first frame of {frame.info['path']} the charge {total:+d} e ({terms}), expected "
                "0, since the dipole and current of a charged cell depend on the frame of reference: correct "
                "elements[*].charge."
            )
            return


def _heights(config: Config, state: State, first: Sequence[Atoms]) -> list[float] | None:
    """Distances between opposite faces of a state's cell, Å; of the smallest cell if frames have several."""
    if state.atoms is not None:
        return [cubic_edge(state.atoms * config.mean_mass(), state.density)]
    masses = {element.symbol: element.mass for element in config.elements}
    files = {file.path for file in config.dataset.files} if config.dataset else set()
    found = []
    for frame in (each for each in first if not files or each.info["path"] in files):
        symbols = _symbols(frame, masses)
        if symbols and frame.cell.rank == 3:
            mass = sum(masses[symbol] for symbol in symbols)
            cell = scaled_to_density(frame.cell.array, mass, state.density)
            found.append(face_distances(cell * np.asarray(state.supercell)[:, None]).tolist())
    return min(found, key=np.min) if found else None


def _symbols(frame: Atoms, elements: Collection[str]) -> list[str]:
    """The elements of the atoms of a frame; empty if an atom is none of the elements."""
    found = [symbol_among(symbol, elements) for symbol in symbols_of(frame)]
    known = [symbol for symbol in found if symbol is not None]
    return known if len(known) == len(found) else []


def _too_long(
    settings: PropertySettings, place: Place, heights: Sequence[float], enlarged: str
) -> Iterator[str]:
    """A sentence for each distance or wave of a property that is too long for a cell.

    Arguments:
        settings: of the property.
        place: where they are given.
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
