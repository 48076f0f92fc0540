"""Energies of quantum nuclei beside those of classical ones, with errors from blocks of independent runs."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from dynrefine.config.data import Element
from dynrefine.config.dynamics import BLOCKS_OF_A_RUN
from dynrefine.files.ensembles import Ensemble
from dynrefine.files.path_integrals import RingPolymers
from dynrefine.statistics import standard_error
from dynrefine.units import BOLTZMANN


def blocks_of(records: Any) -> Any:
    """The records of a run [records, ...] as [blocks, records in each, ...]; the first few left over are dropped."""
    each = len(records) // BLOCKS_OF_A_RUN
    return records[len(records) - BLOCKS_OF_A_RUN * each :].reshape(BLOCKS_OF_A_RUN, each, *records.shape[1:])


def energies(
    elements: Sequence[Element], runs: Sequence[RingPolymers], ensembles: Sequence[Ensemble], kelvin: float
) -> Iterator[dict[str, Any]]:
    """Energies per atom: energy, unit, classical, classical_error, quantum, quantum_error.

    The potential energy is that of the beads, and of the chains of the classical ensembles, both without the energies
    of isolated atoms. The kinetic energy is estimated by the centroid virial (Parrinello and Rahman 1984) and, with
    larger errors, by the primitive estimator (Barker 1979); classical nuclei have 3/2 kT.

    Arguments:
        elements: in the order of the species.
        runs: by path integrals.
        ensembles: of classical nuclei at the same state.
        kelvin: temperature, K.
    """
    species = runs[0].species
    atoms = len(species)
    thermal = 1.5 * BOLTZMANN * kelvin, 0.0
    chains = np.concatenate([each.energies.mean(axis=0) for each in ensembles]) / atoms
    potential = float(chains.mean()), float(standard_error(chains)) if len(chains) > 1 else np.nan
    kinetic = [run.virial_kinetic.sum(axis=1) for run in runs]
    yield _row("potential energy", potential, [run.potential / atoms for run in runs])
    yield _row("kinetic energy", thermal, [each / atoms for each in kinetic])
    primitive = [run.primitive_kinetic.sum(axis=1) / atoms for run in runs]
    yield _row("kinetic energy, primitive estimator", thermal, primitive)
    for index in np.unique(species):
        own = [run.virial_kinetic[:, index] / np.sum(species == index) for run in runs]
        yield _row(f"kinetic energy of {elements[index].symbol}", thermal, own)
    total = [(run.potential + each) / atoms for run, each in zip(runs, kinetic, strict=True)]
    yield _row("total energy", (potential[0] + thermal[0], potential[1]), total)


def _row(energy: str, classical: tuple[float, float], runs: Sequence[np.ndarray]) -> dict[str, Any]:
    """One energy, from eV to meV per atom."""
    means = np.concatenate([blocks_of(values).mean(axis=1) for values in runs])
    return {
        "energy": energy,
        "unit": "meV/atom",
        "classical": 1e3 * classical[0],
        "classical_error": 1e3 * classical[1],
        "quantum": 1e3 * means.mean(),
        "quantum_error": 1e3 * standard_error(means),
    }
