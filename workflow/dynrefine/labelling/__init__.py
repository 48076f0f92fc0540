"""Ab initio labels for geometries: a registry of engines, and batches that resume where they stopped.

An engine is one file here and one line in `ENGINES`: a frozen dataclass of settings with the attributes
`engine` (its name) and `method` (as written in papers), and `calculator(folder)`, which returns an ASE
calculator. Settings that change the cost but not the labels are fields with `compare=False`.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator

from dynrefine.datasets.reading import read_frames, with_labels
from dynrefine.datasets.writing import geometry_key, write_frames
from dynrefine.errors import CampaignError
from dynrefine.labelling.cp2k import CP2KSettings

ENGINES = {"cp2k": CP2KSettings}


class Settings(Protocol):
    """What `label_batch` needs of the settings of an engine."""

    engine: str
    method: str

    def calculator(self, folder: Path) -> Calculator: ...


def engine_settings(engine: str, options: Mapping[str, Any]) -> Settings:
    """The settings of an engine from its options by name.

    Raises:
        CampaignError: no such engine, or no such option.
    """
    if engine not in ENGINES:
        raise CampaignError(
            f"labelling engine is '{engine}', expected one of {', '.join(ENGINES)}: choose one of these."
        )
    known = [item.name for item in fields(ENGINES[engine])]
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise CampaignError(
            f"labelling option '{unknown[0]}' is unknown to the engine {engine}, expected one of "
            f"{', '.join(known)}: correct its name."
        )
    return ENGINES[engine](**options)


def settings_hash(settings: Settings) -> str:
    """Ten hexadecimal digits that change with every setting that changes the labels."""
    content = {item.name: getattr(settings, item.name) for item in fields(settings) if item.compare}
    text = json.dumps({"engine": settings.engine, **content}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def label_batch(frames: Sequence[Atoms], settings: Settings, folder: str | Path) -> list[Atoms]:
    """Label geometries one after another; frames labelled before in the same folder are read, not repeated.

    Arguments:
        frames: geometries, Å, periodic in three directions; `info["source"]` names each in messages.
        settings: the engine's settings.
        folder: keeps one file per labelled frame, and the engine's files of the frame at work.

    Returns:
        the frames with energy (eV), forces (eV/Å, net force removed), stress (eV/Å³) and dipole (e Å) in
        their calculators, and in `info` the source, engine, method, hash of the settings and net force
        removed.

    Raises:
        CampaignError: the engine is missing, stopped or did not converge for a frame, which is named.
    """
    calculator = settings.calculator(Path(folder) / "engine")
    labelled = []
    for index, frame in enumerate(frames):
        path = Path(folder) / f"{geometry_key(frame)}_{settings_hash(settings)}.extxyz"
        if not path.exists():
            source = frame.info.get("source", f"frame_{index}")
            try:
                write_frames(path, [_label(frame, source, calculator, settings)])
            except CampaignError as error:
                raise CampaignError(f"frame {index} ({source}): {error}") from error
        labelled += read_frames(path)
    return labelled


def _label(frame: Atoms, source: str, calculator: Calculator, settings: Settings) -> Atoms:
    """One labelled copy of a frame, the net force of the real-space grid spread evenly and taken away."""
    calculator.calculate(frame)
    forces = calculator.results["forces"]
    net_force = forces.sum(axis=0)
    result = with_labels(frame, calculator.results | {"forces": forces - net_force / len(forces)})
    result.info |= {
        "source": source,
        "label_engine": f"{settings.engine} {calculator.version}",
        "label_method": settings.method,
        "label_settings_hash": settings_hash(settings),
        "net_force_removed": round(float(np.abs(net_force).max()), 5),
    }
    return result
