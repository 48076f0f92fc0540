"""The refined potential as a mean of the last ones."""

from dataclasses import replace
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
from systems import ELEMENTS, POTENTIAL, vector_of

from dynrefine.campaign.job import Job
from dynrefine.config.steps import AveragePotentials
from dynrefine.files.models import create_model, load_model, save_model
from dynrefine.refinement.averaging import mean_of
from dynrefine.steps.average_potentials import average_potentials


def moved(count):
    """A potential and what random steps make of it, each with the number of its iteration."""
    first = create_model(POTENTIAL, ELEMENTS, jax.random.key(3)).cast(jnp.float32)
    steps = np.random.default_rng(1).normal(0.0, 0.1, (count, len(vector_of(first))))
    return [
        replace(first.moved(change), metadata={"iteration": number})
        for number, change in enumerate(np.cumsum(steps, axis=0, dtype="float32"))
    ]


def mean_vector(models):
    """The mean of their trainable parameters, in double precision."""
    return np.mean([vector_of(model) for model in models], axis=0, dtype=float)


def test_a_mean_has_the_mean_parameters_and_everything_else_of_the_first():
    potentials = moved(3)
    found = mean_of(potentials)
    np.testing.assert_allclose(vector_of(found), mean_vector(potentials), rtol=1e-6)
    jax.tree.map(
        np.testing.assert_array_equal, found.parameters["constants"], potentials[0].parameters["constants"]
    )
    assert found.dtype == jnp.float32 and found.metadata["iteration"] == 0


def test_what_passed_through_after_convergence_counts_once(tmp_path):
    """Files of five iterations, of which the last two are copies of the third: the mean of the second and third."""
    potentials = moved(3)
    written = [*potentials, potentials[2], potentials[2]]
    paths = [tmp_path / f"{number}.npz" for number in range(5)]
    for path, potential in zip(paths, written, strict=True):
        save_model(path, potential)
    mean = tmp_path / "mean.npz"
    job = Job(SimpleNamespace(potentials=paths), SimpleNamespace(potential=mean))
    settings = AveragePotentials(elements=ELEMENTS, potential=POTENTIAL, optimiser={"averaged": 2})
    average_potentials(job, settings)
    found = load_model(mean, POTENTIAL, ELEMENTS)
    np.testing.assert_allclose(vector_of(found), mean_vector(potentials[1:]), rtol=1e-6)
    assert found.metadata["iteration"] == 2 and found.metadata["averaged"] == 2
