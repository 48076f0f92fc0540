"""Ab initio labels for geometries: a registry of engines, and batches that resume where they stopped.

An engine takes one file here, one line in `ENGINES`, and its settings in `dynrefine.config.labelling`.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from ase import Atoms

from dynrefine.datasets.conventions import LOCAL_DIPOLE
from dynrefine.datasets.reading import read_frames, with_labels
from dynrefine.datasets.writing import geometry_key, write_frames
from dynrefine.errors import CampaignError
from dynrefine.labelling.cp2k import CP2K

# Made from settings, the command of the program and a folder for its files.
ENGINES = {"cp2k": CP2K}


class Engine(Protocol):
    """An ASE calculator that describes its method.

    Attributes:
        engine: its name.
        version: of the program, known after the first calculation.
        method: as written in papers.
        decisive: the settings that change labels, by name.
        results: of the last geometry: energy (eV), forces (eV/Å), stress (eV/Å³), dipole (e Å), and, if requested,
            the dipoles around its atoms, local_dipole (e Å).
    """

    engine: str
    version: str
    results: dict[str, Any]

    @property
    def method(self) -> str: ...

    @property
    def decisive(self) -> dict[str, Any]: ...

    def calculate(self, atoms: Atoms) -> None: ...


def settings_hash(engine: Engine) -> str:
    """Ten hexadecimal digits that change with every setting that changes the labels."""
    text = json.dumps({"engine": engine.engine, **engine.decisive}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def label_batch(frames: Sequence[Atoms], engine: Engine, folder: str | Path) -> list[Atoms]:
    """Label geometries one after another; frames already labelled in the same folder are read, not repeated.

    Arguments:
        frames: geometries, Å, periodic in three directions; `info["source"]` names each in messages.
        engine: computes the labels.
        folder: keeps one file per labelled frame; batches may share it.

    Returns:
        the frames with energy (eV), forces (eV/Å, net force removed), stress (eV/Å³) and dipole (e Å) in
        their calculators, the dipoles around atoms (e Å) in `arrays` if the engine computes them, and in `info` the
        source, engine, method, hash of the settings and net force removed.

    Raises:
        CampaignError: the engine is missing, stopped, or did not converge for a frame, which the message names.
    """
    labelled = []
    for index, frame in enumerate(frames):
        path = Path(folder) / f"{geometry_key(frame)}_{settings_hash(engine)}.extxyz"
        source = frame.info.get("source", f"frame_{index}")
        if not path.exists():
            try:
                write_frames(path, [_label(frame, source, engine)])
            except CampaignError as error:
                raise CampaignError(f"frame {index} ({source}): {error}") from error
        [known] = read_frames(path)
        known.info["source"] = source  # the frame may have had another name when it was labelled
        labelled.append(known)
    return labelled


def _label(frame: Atoms, source: str, engine: Engine) -> Atoms:
    """A labelled copy of a frame, with the net force of the real-space grid subtracted evenly from all atoms."""
    engine.calculate(frame)
    labels = dict(engine.results)
    forces, local_dipole = labels["forces"], labels.pop(LOCAL_DIPOLE, None)
    net_force = forces.sum(axis=0)
    result = with_labels(frame, labels | {"forces": forces - net_force / len(forces)})
    if local_dipole is not None:
        result.set_array(LOCAL_DIPOLE, local_dipole)
    result.info |= {
        "source": source,
        "label_engine": f"{engine.engine} {engine.version}",
        "label_method": engine.method,
        "label_settings_hash": settings_hash(engine),
        "net_force_removed": round(float(np.abs(net_force).max()), 5),
    }
    return result
