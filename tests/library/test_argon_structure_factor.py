"""The structure factor of simulated liquid argon against the measured one."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_lennard_jones_diffusion import ARGON

from dynrefine.config.dynamics import ReusedSettings, State
from dynrefine.config.properties.scattering import IntermediateScatteringSettings
from dynrefine.config.properties.structure import StructureFactorSettings
from dynrefine.config.steps import SampleEnsemble
from dynrefine.config.surfaces import LennardJonesSettings
from dynrefine.files.models import create_model
from dynrefine.files.tables import read_measured
from dynrefine.files.trajectories import Observed
from dynrefine.properties.base import Conditions, create_observables
from dynrefine.quantities.base import Observer
from dynrefine.sampling.canonical import sample_ensemble
from dynrefine.sampling.initial_configurations import lattice_configurations
from dynrefine.sampling.records import observe_records

MEASURED = Path(__file__).parents[2] / "workflow/data/targets/argon_structure_factor_85K.csv"
KELVIN, DENSITY, ATOMS, CHAINS = 85.0, 1.4095, 256, 6
# Q (1/Å) on the rise, at the maximum, beyond it, and at the second maximum
MOMENTUM_TRANSFERS = (1.6, 2.0, 2.5, 3.65)


@pytest.mark.slow
def test_the_structure_factor_of_argon_is_that_of_yarnell():
    """Both from g(r), the measured one through the same window, and from the density at the wave vectors of the cell.

    Of Lennard-Jones atoms with Rahman's parameters. How good that potential is was seen when Yarnell et al. (1973)
    compared: the first maximum of S(Q), 2.70, is that of the simulation to within some 3 %. So the differences may be
    0.03 of S(Q), beside the measurement's own 0.01 and three standard errors.
    """
    rahman = LennardJonesSettings(kind="lennard_jones", sigma=3.4, epsilon=0.997736, cutoff=8.5)
    model = create_model(rahman, ARGON, jax.random.key(0)).cast(jnp.float32)
    state = State(temperature=KELVIN, density=DENSITY, atoms=ATOMS)
    sampling = ReusedSettings(
        timestep=8.0,
        friction=1.0,
        equilibration=12.0,
        decorrelation=1.0,
        neighbour_skin=1.2,
        rebuild_interval=5,
        samples_per_replica=8,
    )
    settings = SampleEnsemble.model_construct(elements=ARGON, state=state, ensemble=sampling)
    ensemble = sample_ensemble(model, lattice_configurations(state, ARGON, CHAINS, seed=3), settings, seed=4)
    cell, measured = ensemble.cells[0], read_measured(MEASURED)
    symbols = ("Ar",) * ATOMS
    volume = float(np.linalg.det(cell))
    conditions = Conditions(KELVIN, volume, ATOMS, 1.0, symbols, elements=("Ar",), cell=cell)
    chosen = {
        q: IntermediateScatteringSettings(momentum_transfer=q, width=0.02, window=1.0, normalised=False)
        for q in MOMENTUM_TRANSFERS
    }
    chosen = {
        str(q): each.model_copy(update={"kind": "intermediate_scattering"}) for q, each in chosen.items()
    }
    chosen["structure_factor"] = StructureFactorSettings(range=[1.5, 8.0], modification="none")
    targets = dict.fromkeys(chosen) | {"structure_factor": measured}
    observables = create_observables(chosen, targets, conditions)

    def judged(found, expected):
        value, error = found.mean(axis=0), found.std(axis=0, ddof=1) / np.sqrt(CHAINS)
        print(np.round(value - expected, 3), np.round(error, 3))
        allowed = 0.01 + 0.03 * np.abs(expected) + 3.0 * error
        assert np.all(np.abs(value - expected) < allowed)
        return error

    pairs = observe_records(model, ensemble, settings, Observer.of(["pair_distributions"], {}))
    own = observables["structure_factor"]
    error = judged(np.asarray(own.predict(own.statistic(Observed({}, pairs)))).mean(axis=1), own.target)
    assert error.max() < 0.1

    records = np.swapaxes(ensemble.recorded_positions, 0, 1)  # of each chain, one frame each
    frames = jnp.asarray(records.reshape(-1, 1, ATOMS, 3))
    observed = Observed(
        {"positions": frames}, {"cell": jnp.broadcast_to(jnp.asarray(cell), (len(frames), 3, 3))}
    )
    for q in MOMENTUM_TRANSFERS:
        own = observables[str(q)]
        found = np.asarray(own.statistic(observed))[:, :1].reshape(CHAINS, -1, 1).mean(axis=1)
        judged(found, np.interp([own.q], *measured.T))
