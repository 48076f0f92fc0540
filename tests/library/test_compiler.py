"""The installed XLA computes what NumPy computes: programs of the kinds that some of its releases got wrong."""

import subprocess
import sys
from importlib.metadata import requires

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from packaging.requirements import Requirement

from dynrefine.campaign import jax_setup
from dynrefine.campaign.jax_setup import FAULTY_RELEASES, _require_sound_release
from dynrefine.errors import CampaignError

# jaxlib 0.10.2 went wrong beyond 16,384 rows in double and 32,768 in single precision (jax-ml/jax issue 39103).
ROWS = (16_384, 16_385, 32_768, 32_769, 49_824, 65_537)
PRECISIONS = ("float32", "float64")


def rows_of(count, precision):
    return np.stack([np.arange(count), np.zeros(count), np.ones(count)], axis=1).astype(precision)


def squared_lengths(matrix, rows):
    return jax.vmap(lambda row: jnp.sum((matrix @ row) ** 2))(rows)


def squared_lengths_of_product(matrix, rows):
    return jnp.sum((rows @ matrix.T) ** 2, axis=1)


def weighted_sums(matrix, rows):
    return jnp.einsum("ij,nj,nk->nik", matrix, rows, rows).sum(axis=(1, 2))


def quadratic_forms(matrix, rows):
    return jax.vmap(jax.grad(lambda row: 0.5 * row @ matrix @ row))(rows).sum(axis=1)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("count", ROWS)
@pytest.mark.parametrize(
    ("program", "expected"),
    [
        (squared_lengths, lambda m, x: ((x @ m.T) ** 2).sum(axis=1)),
        (squared_lengths_of_product, lambda m, x: ((x @ m.T) ** 2).sum(axis=1)),
        (weighted_sums, lambda m, x: (x @ m.T).sum(axis=1) * x.sum(axis=1)),
        (quadratic_forms, lambda m, x: (x @ m.T).sum(axis=1)),
    ],
)
def test_small_matrices_act_on_many_rows(program, expected, count, precision):
    matrix = np.eye(3) + 0.25 * np.ones((3, 3))
    rows = rows_of(count, precision)
    computed = np.asarray(jax.jit(program)(matrix.astype(precision), rows))
    assert computed.dtype == precision
    # Some ten operations, each of which rounds.
    np.testing.assert_allclose(
        computed, expected(matrix, rows.astype(float)), rtol=20 * np.finfo(precision).eps
    )


FUNCTIONS = ("arctan", "cos", "exp", "log", "sin", "sqrt", "tanh")


@pytest.mark.parametrize("precision", PRECISIONS)
def test_elementary_functions_of_arrays_of_any_length(precision):
    """arctan of 50 numbers and more went wrong on some CPUs (jax-ml/jax issue 39352)."""
    for count in (1, 7, 49, 50, 64, 100, 1000):
        x = np.linspace(0.1, 3.0, count).astype(precision)
        computed = jax.jit(lambda x: [getattr(jnp, name)(x) for name in FUNCTIONS])(x)
        for name, found in zip(FUNCTIONS, computed, strict=True):
            expected = getattr(np, name)(x.astype(float))
            # XLA's own approximations are good to a few units in the last place.
            epsilon = np.finfo(precision).eps
            np.testing.assert_allclose(found, expected, rtol=16 * epsilon, atol=4 * epsilon, err_msg=name)


HIGH_RANK = """
import jax, numpy
one, other = numpy.random.default_rng(0).normal(size=(2, 3, 1, 2, 2, 8, 8, 8)).astype(numpy.float32)
computed = jax.jit(lambda a, b: (a * b).sum(axis=3))(one, other)
numpy.testing.assert_allclose(computed, (one * other).sum(axis=3), rtol=1e-5, atol=1e-6)
"""


def test_broadcast_products_of_high_rank_are_summed():
    """0.10.2 and 0.11.0 end here without an exception (jax-ml/jax issues 39257 and 40412), hence the process."""
    ended = subprocess.run([sys.executable, "-c", HIGH_RANK], capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("release", FAULTY_RELEASES)
def test_a_job_on_a_faulty_release_ends_in_one_sentence(release):
    with pytest.raises(CampaignError, match=rf"jaxlib is {release}, which .* issue.*requirements\.txt"):
        _require_sound_release(release)


def test_every_job_looks_at_the_release_first(monkeypatch):
    monkeypatch.setattr(jax_setup, "version", lambda name: next(iter(FAULTY_RELEASES)))
    with pytest.raises(CampaignError, match=f"jaxlib is {next(iter(FAULTY_RELEASES))}"):
        jax_setup.configure_jax("float64", threads=1)


def test_faulty_releases_cannot_be_installed_with_the_library():
    needed = {requirement.name: requirement for requirement in map(Requirement, requires("dynrefine"))}
    for release in FAULTY_RELEASES:
        assert release not in needed["jaxlib"].specifier and release not in needed["jax"].specifier
