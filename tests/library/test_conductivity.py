"""The ionic conductivity of ions whose motion is known, and of charges that are bound to each other."""

import jax.numpy as jnp
import numpy as np
import pytest
from systems import autoregressive

from dynrefine.config.properties.transport import ConductivitySettings
from dynrefine.files.trajectories import Observed
from dynrefine.properties.base import Conditions, create_observables
from dynrefine.refinement.objective import evaluate
from dynrefine.refinement.validation import evaluate_details
from dynrefine.statistics import Shares

INTERVAL, LIFETIME, SPREAD = 10.0, 60.0, 0.005  # fs, fs, Å/fs
CHARGES = (2, -1, -1) * 4
CONDITIONS = Conditions(1000.0, 500.0, 12, INTERVAL, charges=CHARGES)
# Σq² SPREAD² LIFETIME / (V kT), of independent ions (Nernst-Einstein): 24 (1.602176634e-19 C)² (500 m/s)² 6e-14 s /
# (5e-28 m³ 1.380649e-23 J/K 1000 K)
CONDUCTIVITY = 1338.659


def conductivity_of(**settings):
    """The property of these settings."""
    own = ConductivitySettings(target=1000.0, **settings)
    return create_observables({"conductivity": own}, {"conductivity": None}, CONDITIONS)["conductivity"]


def wandering(independent: int, seed: int) -> np.ndarray:
    """Ornstein-Uhlenbeck velocities of 60 starting points [60, 301, independent, 3]."""
    retained = float(np.exp(-INTERVAL / LIFETIME))
    series = autoregressive(np.random.default_rng(seed), 60 * independent * 3, 301, retained)
    return SPREAD * np.moveaxis(series.reshape(60, independent, 3, 301), -1, 1)


def observed(velocities: np.ndarray) -> Observed:
    return Observed({"velocities": jnp.asarray(velocities)}, {})


def test_independent_ions_have_the_conductivity_of_nernst_and_einstein_both_ways():
    own = conductivity_of(window=800.0, limit=500.0)
    statistics = own.statistic(observed(wandering(12, seed=5)))
    found = evaluate(own, statistics, Shares(jnp.full(60, 1.0 / 60.0)))
    details, errors = evaluate_details(own, statistics)
    # the trapezoidal rule adds (INTERVAL/LIFETIME)²/12, and exp(-500/60) is missing: together 0.2 %
    tolerance = 0.003 * CONDUCTIVITY
    assert found.prediction_error[0] < 0.12 * CONDUCTIVITY
    assert abs(found.prediction[0] - CONDUCTIVITY) < 3.0 * found.prediction_error[0] + tolerance
    assert abs(details["Helfand"][0] - CONDUCTIVITY) < 3.0 * errors["Helfand"][0] + tolerance
    assert found.loss == pytest.approx((found.prediction[0] / 1000.0 - 1.0) ** 2)


def test_the_statistic_is_the_mean_over_origins_and_components():
    velocities = wandering(12, seed=6)
    current = np.einsum("i,sfix->sfx", CHARGES, velocities)
    found = np.asarray(conductivity_of(window=100.0).statistic(observed(velocities)))
    np.testing.assert_allclose(found[:, 3], np.mean(current[:, :-3] * current[:, 3:], axis=(1, 2)), rtol=1e-9)


def test_ions_that_go_together_carry_no_current():
    of_molecules = np.repeat(wandering(4, seed=7), 3, axis=2)
    statistics = conductivity_of(window=100.0).statistic(observed(of_molecules))
    np.testing.assert_allclose(statistics, 0.0, atol=1e-25)
