"""The density of a potential at constant pressure, by i-PI and by the campaign's own sampler."""

import argparse
import json

import jax.numpy as jnp
import numpy as np

from dynrefine.campaign.numerics import configure_numerics
from dynrefine.config.data import Element
from dynrefine.config.dynamics import PathIntegralSettings, ReusedSettings, State
from dynrefine.config.steps import SampleEnsemble
from dynrefine.config.surfaces import surface_settings
from dynrefine.export.potential_file import read_surfaces
from dynrefine.files.ensembles import load_ensemble
from dynrefine.geometry.system import with_masses
from dynrefine.ipi.bead_forces import BeadForces
from dynrefine.ipi.simulation import Start, Surroundings, simulate
from dynrefine.sampling.initial_configurations import Configurations
from dynrefine.sampling.isobaric import SAMPLER
from dynrefine.statistics import standard_error
from dynrefine.units import GRAM_PER_CUBIC_CENTIMETRE

BLOCKS = 4  # of a run


def densities(cells: np.ndarray, mass: float) -> np.ndarray:
    """Means over blocks of cells [records, 3, 3] in Å, g/cm³."""
    each = mass / np.abs(np.linalg.det(cells)) / GRAM_PER_CUBIC_CENTIMETRE
    return np.array([block.mean() for block in np.array_split(each, BLOCKS)])


def main() -> None:
    """Read the command line, run both and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("potential", help="exported potential, or that of an iteration")
    parser.add_argument("ensemble", help="ensemble of the same atoms, where both begin")
    parser.add_argument("--temperature", type=float, default=298.15, help="K")
    parser.add_argument("--pressure", type=float, default=1.0, help="bar")
    parser.add_argument("--timestep", type=float, default=1.0, help="fs")
    parser.add_argument("--equilibration", type=float, default=1.0, help="ps")
    parser.add_argument("--length", type=float, default=4.0, help="ps")
    parser.add_argument(
        "--masses", type=json.loads, default={"H": 3.0, "O": 12.015}, help="in the dynamics, u"
    )
    parser.add_argument("--precision", choices=["float32", "float64"], default="float32")
    options = parser.parse_args()
    configure_numerics(options.precision)
    model = read_surfaces(options.potential)["potential"].cast(jnp.dtype(options.precision))
    elements = [Element.model_validate(each) for each in model.settings["elements"]]
    ensemble = load_ensemble(options.ensemble)
    mass = sum(elements[index].mass for index in ensemble.species)

    sampling = ReusedSettings(
        kind="isobaric",
        replicas=1,
        samples_per_replica=1,
        equilibration=options.equilibration,
        decorrelation=options.length,
        timestep=options.timestep,
        friction=10.0,
        masses=options.masses,
    )
    own = PathIntegralSettings(
        beads=1,
        thermostat="pile_l",
        timestep=options.timestep,
        equilibration=options.equilibration,
        length=options.length,
    )
    start = Start(
        with_masses(elements, options.masses),
        ensemble.species,
        ensemble.chain_positions[0],
        ensemble.chain_cells[0],
    )
    surroundings = Surroundings(options.temperature, options.pressure, relaxation=500.0)
    by_ipi = simulate(start, surroundings, own, BeadForces(model, start.species, sampling), seed=1)
    report("i-PI", densities(by_ipi.cells, mass))

    density = mass / np.linalg.det(start.cell) / GRAM_PER_CUBIC_CENTIMETRE
    settings = SampleEnsemble(
        potential=surface_settings({key: model.settings[key] for key in model.settings if key != "elements"}),
        elements=elements,
        state=State(temperature=options.temperature, density=density, pressure=options.pressure),
        ensemble=sampling,
    )
    begun = Configurations(start.species, start.cell[None], ensemble.chain_positions[1:2])
    sampled = SAMPLER(model, begun, settings, 2)
    report("sampler", densities(sampled.recorded_cells[:, 0], mass))


def report(name: str, blocks: np.ndarray) -> None:
    """One line: density and its standard error from the blocks."""
    print(
        f"{name:8} {blocks.mean():.4f} ± {standard_error(blocks):.4f} g/cm³, blocks {np.round(blocks, 4)}",
        flush=True,
    )


if __name__ == "__main__":
    main()
