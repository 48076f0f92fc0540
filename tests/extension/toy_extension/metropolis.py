"""Starting points by the Monte Carlo method of Metropolis: all atoms are moved at once, a little."""

import jax
import jax.numpy as jnp
import numpy as np

from dynrefine.dynamics.force_field import force_field
from dynrefine.files.ensembles import Ensemble
from dynrefine.geometry.system import Point, drawn_velocities, system_of
from dynrefine.sampling.energies import potential_energies
from dynrefine.units import BOLTZMANN


def metropolis(potential, starts, settings, seed):
    """Chains of `options.moves` moves of `options.length` Å; the last point of each is a starting point."""
    options, kelvin = settings.ensemble.options, settings.state.temperature
    system = system_of(starts.species, settings.elements, potential.dtype)
    field = force_field([potential.architecture], starts.cells, len(starts.species), settings.ensemble)
    generator, x = np.random.default_rng(seed), np.asarray(starts.positions, float)

    def energies_of(positions):
        x = jnp.asarray(positions, potential.dtype)
        points = Point(x, jnp.zeros_like(x), jnp.asarray(starts.cells, potential.dtype))
        return potential_energies(field, [potential], system.species, points)[0]

    energies = energies_of(x)
    for _ in range(options["moves"]):
        tried = x + generator.normal(0.0, options["length"], x.shape)
        new = energies_of(tried)
        accepted = generator.uniform(size=len(x)) < np.exp(-(new - energies) / (BOLTZMANN * kelvin))
        x = np.where(accepted[:, None, None], tried, x)
        energies = np.where(accepted, new, energies)
    positions = np.asarray(jnp.asarray(x, potential.dtype))
    velocities = np.asarray(drawn_velocities(jax.random.key(seed), system, kelvin, len(x)))
    return Ensemble(
        species=np.asarray(system.species),
        cells=starts.cells,
        positions=positions,
        velocities=velocities,
        energies_by_potential=energies[None],
        sampled_by=np.zeros(len(x), int),
        chain_positions=positions,
        chain_velocities=velocities,
        chain_cells=starts.cells,
        recorded_positions=positions[None],
        recorded_cells=starts.cells[None],
        energies=energies[None],
        temperatures=np.full((1, len(x)), kelvin),
        metadata={"seed": seed, "temperature_K": kelvin},
    )


SAMPLER = metropolis
