"""What the first frames say of the settings: the size of the cells, and their charge."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from ase import Atoms

from dynrefine.config.checks.properties import placed
from dynrefine.config.model import Config
from dynrefine.config.properties.base import Place, PropertySettings
from dynrefine.config.properties.scattering import IntermediateScatteringSettings
from dynrefine.datasets.conversion import factor
from dynrefine.datasets.deepmd import read_deepmd
from dynrefine.datasets.extended_xyz import first_frame, looks_like_xyz
from dynrefine.datasets.isotopes import symbol_among, symbols_of
from dynrefine.errors import CampaignError
from dynrefine.geometry.cell import cubic_edge, face_distances

LARGEST_DISTANCE = 1.5  # in widths of the cell: how far all images of a pair are counted
LARGEST_CUTOFF = 2.0  # in widths of the cell: beyond it an atom sees more than its second images


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


def charged_compositions(config: Config, first: Sequence[Atoms]) -> Iterator[str]:
    """A sentence where formal charges do not add up to zero, and something depends on them.

    Arguments:
        config: the campaign.
        first: frames of each file.
    """
    if not any("dipole" in settings.surfaces or settings.of_charges for settings, _ in placed(config)):
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
                "0, since dipole and current of charged cells depend on where they are seen from: correct "
                "elements[*].charge."
            )
            return


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
