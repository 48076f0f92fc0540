"""Splits that keep neighbours in time together, and tables of them."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from ase import Atoms

from dynrefine import units
from dynrefine.errors import CampaignError


def series_and_index(frame: Atoms) -> tuple[str, int]:
    """The series a frame belongs to and its place in it: "340K_12" is ("340K", 12); 0 where none is given."""
    source = str(frame.info.get("source", ""))
    numbered = re.fullmatch(r"(.*)_(\d+)", source)
    return (numbered[1], int(numbered[2])) if numbered else (source, 0)


def split_by_blocks(
    frames: Sequence[Atoms], fractions: Mapping[str, float], block_length: int, seed: int
) -> dict[str, list[Atoms]]:
    """Split frames by blocks of time, so that no test frame has near twins among the training frames.

    Each series is cut into blocks of about equal length; the blocks of a series are drawn in random order,
    each for the split that is furthest below its share.

    Arguments:
        frames: frames of one or more series, told apart by `info["source"]`.
        fractions: share of each split by name; they add up to 1.
        block_length: frames in a block that stay together.
        seed: of the random order.

    Returns:
        the frames of each split by name, in the order of their series and time.

    Raises:
        CampaignError: the fractions do not add up to 1, or there are too few blocks for every split to get
            one.
    """
    if abs(sum(fractions.values()) - 1.0) > 1e-6 or min(fractions.values()) <= 0.0:
        raise CampaignError(
            f"the fractions of the split are {dict(fractions)}, expected positive numbers that add up to 1: "
            "correct them."
        )
    generator = np.random.default_rng(seed)
    splits = {name: [] for name in fractions}
    drawn = blocks_in_all = 0
    for series in _series(frames):
        blocks = np.array_split(np.arange(len(series)), max(1, round(len(series) / block_length)))
        for number in generator.permutation(len(blocks)):
            drawn += len(blocks[number])
            needy = max(splits, key=lambda name: fractions[name] * drawn - len(splits[name]))
            splits[needy] += [series[place] for place in blocks[number]]
        blocks_in_all += len(blocks)
    empty = [name for name, members in splits.items() if not members]
    if empty:
        raise CampaignError(
            f"the {len(frames)} frames make {blocks_in_all} blocks of {block_length}, too few for the split "
            f"'{empty[0]}' to get one: shorten the blocks, give it a larger fraction or add frames."
        )
    return {name: sorted(members, key=series_and_index) for name, members in splits.items()}


def summary(splits: Mapping[str, Sequence[Atoms]]) -> pd.DataFrame:
    """A table of each series in each split: counts, energy per atom, forces, density, pressure.

    Returns:
        a row per split and series: frames, atoms, energy (mean, eV/atom), energy_spread (standard deviation,
        eV/atom), force (root mean square component, eV/Å), density (g/cm³), pressure (mean virial, bar),
        dipoles.
    """
    return pd.DataFrame(
        {"split": split, "series": series_and_index(members[0])[0], **_describe(members)}
        for split, frames in splits.items()
        for members in _series(frames)
    )


def _series(frames: Sequence[Atoms]) -> list[list[Atoms]]:
    """The frames of each series in the order of time, the series by name."""
    groups = defaultdict(list)
    for frame in frames:
        groups[series_and_index(frame)[0]].append(frame)
    return [sorted(groups[name], key=series_and_index) for name in sorted(groups)]


def _describe(frames: Sequence[Atoms]) -> dict[str, float]:
    results = [frame.calc.results if frame.calc else {} for frame in frames]
    energies = [
        result["energy"] / len(frame)
        for frame, result in zip(frames, results, strict=True)
        if "energy" in result
    ]
    forces = [result["forces"].ravel() for result in results if "forces" in result]
    densities = [frame.get_masses().sum() / frame.get_volume() for frame in frames]
    pressures = [-np.mean(result["stress"][:3]) / units.BAR for result in results if "stress" in result]
    return {
        "frames": len(frames),
        "atoms": max(len(frame) for frame in frames),
        "energy": np.mean(energies) if energies else np.nan,
        "energy_spread": np.std(energies) if energies else np.nan,
        "force": np.sqrt(np.mean(np.concatenate(forces) ** 2)) if forces else np.nan,
        "density": np.mean(densities) / units.GRAM_PER_CUBIC_CENTIMETRE,
        "pressure": np.mean(pressures) if pressures else np.nan,
        "dipoles": sum("dipole" in result for result in results),
    }
