"""The step of the refinement: sums with errors, optimisers that go on where they were, and when to stop."""

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from systems import DIPOLE, ELEMENTS, autoregressive, vector_of

from dynrefine.config.data import Element
from dynrefine.config.optimiser import StepSettings, StopSettings
from dynrefine.config.surfaces.lennard_jones import LennardJonesSettings
from dynrefine.dynamics.mapping import Blocks
from dynrefine.errors import CampaignError
from dynrefine.files.gradients import ChunkGradient
from dynrefine.files.history import Entry, begun, load_history, save_history
from dynrefine.files.models import create_model, flat_parameters
from dynrefine.files.trajectories import Trajectories
from dynrefine.refinement.history import (
    conditions,
    named_derivatives,
    named_parameters,
    norms,
    smallest_sample_size,
    terms,
)
from dynrefine.refinement.natural_gradient import Rows, Ruler, natural_step
from dynrefine.refinement.total_gradient import Gradient, gather_gradient, parameter_scales
from dynrefine.refinement.update import has_converged, optimiser_of, step
from dynrefine.statistics import Estimate, shortened, sum_with_error

pytestmark = pytest.mark.usefixtures("fast_compilation")

ADAM = StepSettings(name="adam", learning_rate=1e-2, momentum=0.9, shrink_noise=False)


TRAINABLE = ["layers/*", "!layers/0/*"]


def with_settings(settings, **changed):
    """The same settings but for these."""
    return settings.model_copy(update=changed)


def whole_of(trajectory, ensemble, anchor):
    """A gradient by parameters that all move, counted in their own units."""
    return Gradient(trajectory, ensemble, anchor, np.ones(len(anchor)))


def ruler_of(rows, settings):
    """Of steps as long as these settings have them, meV/Å."""
    return Ruler(Rows(rows), 1e-3 * settings.force_change)


SGD = with_settings(ADAM, name="sgd")
NATURAL = with_settings(ADAM, name="natural")


@pytest.fixture(scope="module")
def potential():
    """A model to move; a dipole surface is one of few parameters."""
    return create_model(DIPOLE, ELEMENTS, jax.random.key(1)).cast(jnp.float64)


@pytest.fixture(scope="module")
def gradients(potential):
    """Three gradients without error."""
    size = len(flat_parameters(potential.parameters["trainable"])[0])
    certain = np.random.default_rng(1).normal(size=(3, 3, size))
    return [
        whole_of(Estimate(trajectory, 0 * trajectory), Estimate(ensemble, 0 * ensemble), anchor)
        for trajectory, ensemble, anchor in certain
    ]


@dataclass(frozen=True)
class Samples:
    """The starting points of a chunk, one by one."""

    trajectory: np.ndarray
    energy_gradients: np.ndarray
    coefficients: np.ndarray
    weights: np.ndarray

    def chunk(self, chains=1000, width=1):
        """What they contribute, from so many chains that take turns, so many of them in a block."""
        followed, every = (
            Blocks(len(rows), chains=min(chains, len(rows)), width=width)
            for rows in (self.trajectory, self.energy_gradients)
        )

        def added(blocks, rows):
            return np.array([blocks.sums(column) for column in rows.T]).T

        return ChunkGradient(
            trajectory=added(followed, self.trajectory),
            trajectory_weights=followed.sums(self.weights[: followed.points]),
            ensemble=added(every, self.coefficients[:, None] * self.energy_gradients),
            ensemble_weights=every.sums(self.weights),
            coefficients=every.sums(self.coefficients)[:, None],
            mean_energy_gradient=self.weights[None] @ self.energy_gradients,
            trajectory_chains=followed.groups,
            ensemble_chains=every.groups,
            reversal_error=np.zeros(followed.points),
        )


@pytest.fixture(scope="module")
def samples():
    """Two states of two chunks each, of three and four starting points; coefficients of a state add up to zero."""
    generator = np.random.default_rng(2)

    def of_chunk(count):
        return Samples(
            trajectory=generator.normal(1.0, 1.0, (count, 5)),
            energy_gradients=generator.normal(50.0, 1.0, (count, 5)),
            coefficients=generator.normal(size=count),
            weights=np.full(count, 1 / 7),
        )

    def state():
        first, second = of_chunk(3), of_chunk(4)
        mean = np.mean(np.concatenate([first.coefficients, second.coefficients]))
        return [replace(each, coefficients=each.coefficients - mean) for each in (first, second)]

    return [state(), state()]


@pytest.fixture(scope="module")
def chunks(samples):
    """What they contribute."""
    return [[each.chunk() for each in state] for state in samples]


def test_the_gradient_is_the_sum_of_all_rows(chunks):
    anchor = np.arange(5.0)
    found = gather_gradient(chunks, anchor, np.ones(5), np.inf)
    every = [chunk for state in chunks for chunk in state]
    np.testing.assert_allclose(found.trajectory.value, sum(chunk.trajectory.sum(axis=0) for chunk in every))
    np.testing.assert_allclose(
        found.ensemble.value, sum(chunk.ensemble.sum(axis=0) for chunk in every), atol=1e-11
    )
    total = found.trajectory.value + found.ensemble.value + anchor
    np.testing.assert_allclose(found.total(shrink=False), total)


def test_errors_are_those_of_sums_of_independent_rows(chunks):
    found = gather_gradient(chunks, np.zeros(5), np.ones(5), np.inf)
    # A sum of n independent rows has n times the variance of one; sums of states add their variances.
    rows = [np.concatenate([chunk.trajectory for chunk in state]) for state in chunks]
    expected = np.sqrt(sum(len(own) * np.var(own, axis=0, ddof=1) for own in rows))
    np.testing.assert_allclose(found.trajectory.error, expected, rtol=1e-12)
    # The energy gradients' common 50 eV adds nothing, the coefficients adding up to zero.
    assert np.all(found.ensemble.error < 20.0)


def test_errors_are_right_on_average():
    # Known rows: standard normal. 400 sums of 10 of them scatter by sqrt(10).
    generator = np.random.default_rng(3)
    errors = []
    for _ in range(400):
        rows = generator.normal(size=(10, 1))
        chunk = Samples(rows, 0 * rows, np.zeros(10), np.full(10, 0.1)).chunk()
        found = gather_gradient([[chunk]], np.zeros(1), np.ones(1), np.inf)
        errors.append(found.trajectory.error[0])
    # The variance estimate of nine degrees of freedom has a relative standard deviation of sqrt(2/9), its mean over
    # 400 a twentieth of that.
    assert np.mean(np.square(errors)) == pytest.approx(10.0, rel=4 * np.sqrt(2 / 9) / 20)


def test_errors_of_a_weighted_gradient_are_right_on_average():
    """Means with random weights, as of a reused ensemble, scatter as their errors say."""
    generator = np.random.default_rng(4)
    count, repeats = 200, 400
    values, errors = [], []
    for _ in range(repeats):
        samples = generator.normal(5.0, 1.0, count)
        weights = np.exp(0.5 * generator.normal(size=count))
        weights /= weights.sum()
        found = sum_with_error((weights * samples)[:, None], weights)
        values.append(found.value[0])
        errors.append(found.error[0])
    # The variance of 400 values has a relative standard error of sqrt(2/400) = 7 %.
    assert np.mean(np.square(errors)) == pytest.approx(np.var(values), rel=3 * np.sqrt(2 / repeats))


def test_starting_points_of_one_chain_are_not_taken_for_independent():
    """Rows of chains that remember 0.6 of what they were; the adjoint follows all but one point of one chain."""
    generator = np.random.default_rng(7)
    repeats, chains, samples = 400, 20, 4
    values, variances = [], []
    for _ in range(repeats):
        rows = autoregressive(generator, chains, samples, 0.6).T.reshape(-1, 1)
        coefficients = autoregressive(generator, chains, samples, 0.6).T.ravel()
        own = Samples(rows[:-1], rows, coefficients - coefficients.mean(), np.full(len(rows), 1 / len(rows)))
        found = gather_gradient([[own.chunk(chains)]], np.zeros(1), np.ones(1), np.inf)
        values.append([found.trajectory.value[0], found.ensemble.value[0]])
        variances.append([found.trajectory.error[0] ** 2, found.ensemble.error[0] ** 2])
    # The variance of 400 values has a relative standard error of sqrt(2/400) = 7 %.
    np.testing.assert_allclose(
        np.mean(variances, axis=0), np.var(values, axis=0), rtol=3 * np.sqrt(2 / repeats)
    )


def test_chains_of_different_chunks_are_different(samples):
    """Two chunks of three and four points from two chains and from one: leaving chains apart by hand."""
    first, second = samples[0]
    chunks = [first.chunk(2), second.chunk(1)]
    found = gather_gradient([chunks], np.zeros(5), np.ones(5), np.inf).trajectory
    parts = [first.trajectory[::2], first.trajectory[1::2], second.trajectory]
    shares = np.array([2, 1, 4]) / 7
    sums = np.array([part.sum(axis=0) for part in parts])
    expected = np.sqrt(3 / 2 * np.sum((sums - shares[:, None] * sums.sum(axis=0)) ** 2, axis=0))
    np.testing.assert_allclose(found.error, expected, rtol=1e-12)


def test_both_parts_and_their_errors_are_those_of_plain_loops(samples):
    """Weights unequal, one trajectory shortened, the adjoint followed for some starting points only."""
    generator = np.random.default_rng(6)
    weights, scales = generator.uniform(0.1, 2.0, (2, 7)), generator.uniform(0.5, 2.0, 5)
    followed = [
        [
            replace(each, trajectory=each.trajectory[:2].copy(), weights=own)
            for each, own in zip(state, np.split(single, [3]), strict=True)
        ]
        for state, single in zip(samples, weights, strict=True)
    ]
    followed[1][0].trajectory[1] *= 40.0
    given = [[each.chunk() for each in state] for state in followed]
    found = gather_gradient(given, np.zeros(5), scales, 2.5)
    value, variance = np.zeros((2, 5)), np.zeros((2, 5))
    for state, single in zip(followed, weights, strict=True):
        shares = single / sum(single)
        rows = [scales * row for chunk in state for row in chunk.trajectory]
        own = np.array([shares[0], shares[1], shares[3], shares[4]])
        lengths = [np.sqrt(np.sum(row**2)) / share for row, share in zip(rows, own, strict=True)]
        limit = 2.5 * np.median(lengths)
        rows = [row * min(1.0, limit / length) for row, length in zip(rows, lengths, strict=True)]
        energies = [row for chunk in state for row in chunk.energy_gradients]
        coefficients = [c for chunk in state for c in chunk.coefficients]
        mean = sum(share * row for share, row in zip(shares, energies, strict=True))
        of_weights = [scales * c * (row - mean) for c, row in zip(coefficients, energies, strict=True)]
        for part, (terms_of, shares_of) in enumerate(((rows, own / sum(own)), (of_weights, shares))):
            total, count = sum(terms_of), len(terms_of)
            value[part] += total
            squares = [(row - w * total) ** 2 for row, w in zip(terms_of, shares_of, strict=True)]
            variance[part] += count / (count - 1) * sum(squares)
    for part, own in enumerate((found.trajectory, found.ensemble)):
        np.testing.assert_allclose(own.value, value[part], rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(own.error, np.sqrt(variance[part]), rtol=1e-9)


def test_parameters_are_counted_in_their_units(chunks):
    scales, anchor = np.array([1.0, 2.0, 0.5, 1e-3, 1e3]), np.arange(5.0)
    plain = gather_gradient(chunks, anchor, np.ones(5), np.inf)
    scaled = gather_gradient(chunks, anchor, scales, np.inf)
    np.testing.assert_allclose(scaled.total(shrink=False), scales * plain.total(shrink=False))
    np.testing.assert_allclose(scaled.ensemble.error, scales * plain.ensemble.error)
    np.testing.assert_allclose(scaled.trajectory.error, scales * plain.trajectory.error)


def test_the_adjoint_may_follow_some_starting_points_only(samples, chunks):
    """Their rows are the trajectory part, the ensemble part is that of all."""
    some = [[replace(each, trajectory=each.trajectory[:2]).chunk() for each in state] for state in samples]
    every, found = (gather_gradient(each, np.zeros(5), np.ones(5), np.inf) for each in (chunks, some))
    rows = [np.concatenate([chunk.trajectory for chunk in state]) for state in some]
    np.testing.assert_allclose(found.trajectory.value, sum(own.sum(axis=0) for own in rows))
    expected = np.sqrt(sum(4 * np.var(own, axis=0, ddof=1) for own in rows))
    np.testing.assert_allclose(found.trajectory.error, expected, rtol=1e-12)
    np.testing.assert_array_equal(found.ensemble.value, every.ensemble.value)


def test_blocks_of_starting_points_have_the_same_sum_and_on_average_the_same_error():
    """The variance of 30 blocks is that of 60 starting points but for a relative error of sqrt(2/29)."""
    generator = np.random.default_rng(9)
    rows, size = generator.normal(1.0, 1.0, (2, 60, 400)), 400
    coefficients = generator.normal(size=60)
    weights = np.full(60, 1 / 60)
    own = Samples(rows[0], 50.0 + rows[1], coefficients - coefficients.mean(), weights)
    single, paired = (
        gather_gradient([[own.chunk(width=width)]], np.zeros(size), np.ones(size), np.inf) for width in (1, 2)
    )
    for one, two in ((single.trajectory, paired.trajectory), (single.ensemble, paired.ensemble)):
        np.testing.assert_allclose(two.value, one.value, atol=1e-9)
        assert np.mean(two.error**2) == pytest.approx(np.mean(one.error**2), rel=4 * np.sqrt(2 / 29 / size))


def test_blocks_are_as_small_as_memory_allows():
    for chains, points, parameters, count, largest in (
        (100, 100, 2, 100, 1),
        (100, 100, 60_000, 100, 1),
        (100, 100, 1_000_000, 15, 7),
        (100, 100, 10**8, 8, 13),
        (5, 5, 10**8, 5, 1),
        (48, 480, 40_000, 240, 2),  # 419 rows fit, five for each chain of ten points
        (16, 160, 1_700_000, 8, 20),  # nine fit, for pairs of chains
    ):
        blocks = Blocks.fitting(points, parameters, chains)
        assert blocks.count <= max(8, 2**24 // parameters)
        assert (blocks.count, np.bincount(blocks.numbers).max()) == (count, largest)


@pytest.mark.parametrize(
    ("chains", "points", "parameters"),
    [(48, 480, 40_000), (48, 480, 268_000), (16, 160, 1_700_000), (8, 16, 3_000_000), (32, 40, 707_569)],
)
def test_no_chain_is_in_two_groups_of_blocks(chains, points, parameters):
    """Or the groups that errors are told from would not be independent."""
    blocks = Blocks.fitting(points, parameters, chains)
    of_points = blocks.groups[blocks.numbers]
    assert len(set(zip(np.arange(points) % chains, of_points, strict=True))) == chains
    assert of_points.max() + 1 >= min(chains, 8)


def test_a_trajectory_that_chaos_blew_up_counts_no_more_than_a_long_one():
    rows = np.array([[3.0, 4.0], [0.0, 2.0], [1.0, 0.0], [-2.0, 0.0], [3e6, 4e6]])  # median length 2
    equal = np.ones(5)
    np.testing.assert_allclose(shortened(rows, equal, 1.5), [[1.8, 2.4], *rows[1:4], [1.8, 2.4]])
    np.testing.assert_array_equal(shortened(rows, equal, np.inf), rows)
    np.testing.assert_array_equal(shortened(0 * rows, equal, 2.0), 0 * rows)


def test_a_gradient_is_no_outlier_because_its_weight_is_large():
    gradients = np.array([[3.0], [-2.0], [1.0], [2.0], [1e6]])  # median length 2
    weights = np.array([0.7, 0.1, 0.1, 0.0, 0.1])
    expected = weights[:, None] * [[3.0], [-2.0], [1.0], [2.0], [5.0]]  # of those that count 2.5
    np.testing.assert_allclose(shortened(weights[:, None] * gradients, weights, 2.0), expected)


@pytest.mark.parametrize(
    ("value", "error", "expected"),
    [
        ([3.0, 4.0], [0.0, 0.0], 1.0),
        ([3.0, 4.0], [2.0, 1.0], 0.8),
        ([1.0, 0.0], [1.0, 2.0], 0.0),
        ([0.0], [1.0], 0.0),
    ],
    ids=["certain", "a fifth is noise", "all is noise", "nothing at all"],
)
def test_the_resolved_share_of_a_part(value, error, expected):
    assert Estimate(np.array(value), np.array(error)).resolved == pytest.approx(expected)


def test_a_single_chain_tells_no_error_and_noise_shrinks_nothing():
    gradient = np.array([1.0, -2.0])
    found = sum_with_error(np.tile(gradient, (3, 1)), np.ones(3), np.zeros(3, int))
    np.testing.assert_array_equal(found.value, 3.0 * gradient)
    assert np.isnan(found.error).all() and np.isnan(found.resolved)
    whole = whole_of(found, Estimate(0 * gradient, 0 * gradient), np.array([10.0, 20.0]))
    np.testing.assert_array_equal(whole.total(shrink=True), [13.0, 14.0])


def test_shrinking_spares_what_is_certain():
    gradient = whole_of(
        Estimate(np.array([2.0, 4.0]), np.array([2.0, 0.0])),
        Estimate(np.array([1.0, 0.0]), np.array([0.0, 1.0])),
        np.array([10.0, 20.0]),
    )
    np.testing.assert_allclose(gradient.total(shrink=True), [10.0 + 0.8 * 3.0, 20.0 + 0.8 * 4.0])
    np.testing.assert_allclose(gradient.total(shrink=False), [13.0, 24.0])


def test_parts_that_cancel_are_not_taken_one_without_the_other():
    """As at an optimum, where a part alone would lead away however well it is known."""
    certain, noisy = Estimate(np.array([3.0, 4.0]), np.zeros(2)), Estimate(np.array([-3.1, -3.9]), np.ones(2))
    np.testing.assert_array_equal(whole_of(certain, noisy, np.ones(2)).total(shrink=True), np.ones(2))


def test_shrinking_comes_nearer_to_the_truth_on_average():
    generator = np.random.default_rng(4)
    truth, errors = np.full(30, 0.5), np.ones(30)
    plain, shrunk = 0.0, 0.0
    for _ in range(200):
        part = Estimate(truth + errors * generator.normal(size=30), errors)
        plain += np.sum((part.value - truth) ** 2)
        shrunk += np.sum((part.resolved * part.value - truth) ** 2)
    # |truth|² = 7.5, |noise|² = 30: the best factor 0.2 leaves an error of 6 of 30, an estimated one a little more.
    assert shrunk < 0.5 * plain


@pytest.mark.parametrize("settings", [ADAM, SGD, NATURAL], ids=["adam", "sgd", "natural"])
def test_steps_from_saved_states_are_those_of_one_run(potential, gradients, settings):
    vector = vector_of(potential)
    ruler = ruler_of(np.random.default_rng(5).normal(size=(4, len(vector))), settings)
    optimiser = optimiser_of(settings, ruler)
    reference = optimiser.init(jnp.asarray(vector))
    model, state = potential, None
    for gradient in gradients:
        with jax.numpy_dtype_promotion("standard"):  # Optax divides by counts of steps
            updates, reference = optimiser.update(
                jnp.asarray(gradient.total(shrink=False)), reference, vector
            )
        vector = vector + np.asarray(updates)
        model, state, norm = step(model, gradient, settings, state, ruler)
        assert all(isinstance(leaf, np.ndarray) for leaf in state)  # as they are in files
        np.testing.assert_array_equal(vector_of(model), vector)
        assert norm == pytest.approx(np.linalg.norm(updates))


def lengthened(gradients):
    """The same, of lengths 30, 3 and 0.7: on both sides of what they are clipped to."""
    totals = [each.total(shrink=False) for each in gradients]
    return [
        length * total / np.linalg.norm(total) for length, total in zip((30, 3, 0.7), totals, strict=True)
    ]


def walked(potential, vectors, settings, ruler=None):
    """The changes of the parameters that these gradients make, one after the other."""
    nothing = Estimate(np.zeros(len(vectors[0])), np.zeros(len(vectors[0])))
    model, state, changes = potential, None, []
    for vector in vectors:
        moved, state, _ = step(model, whole_of(nothing, nothing, vector), settings, state, ruler)
        changes.append(vector_of(moved) - vector_of(model))
        model = moved
    return changes


def test_natural_steps_are_measured_as_the_settings_say(potential, gradients):
    vectors = lengthened(gradients)
    rows = np.random.default_rng(7).normal(size=(9, len(vectors[0])))
    settings = with_settings(NATURAL, learning_rate_decay=0.8, damping=0.3, force_change=7.0)
    found = walked(potential, vectors, settings, ruler_of(rows, settings))
    optimiser = natural_step(Ruler(Rows(rows), 7e-3), 0.3, 0.8)
    state = optimiser.init(jnp.asarray(vectors[0]))
    for change, vector in zip(found, vectors, strict=True):
        expected, state = optimiser.update(jnp.asarray(vector), state)
        np.testing.assert_allclose(change, expected, atol=1e-12)


def test_steps_of_adam_are_those_of_its_equations(potential, gradients):
    """Kingma and Ba, arXiv:1412.6980, algorithm 1, after clipping; the first momentum is that of the settings."""
    vectors = lengthened(gradients)
    settings = with_settings(ADAM, momentum=0.7, learning_rate=0.03, learning_rate_decay=0.8, clip_norm=2.0)
    first, second = np.zeros((2, len(vectors[0])))
    for number, (found, vector) in enumerate(zip(walked(potential, vectors, settings), vectors, strict=True)):
        clipped = vector * min(1.0, 2.0 / np.sqrt(np.sum(vector**2)))
        first, second = 0.7 * first + 0.3 * clipped, 0.999 * second + 0.001 * clipped**2
        unbiased = first / (1 - 0.7 ** (number + 1)), second / (1 - 0.999 ** (number + 1))
        expected = -0.03 * 0.8**number * unbiased[0] / (np.sqrt(unbiased[1]) + 1e-8)
        np.testing.assert_allclose(found, expected, atol=1e-12)


def test_plain_descent_clips_and_shortens_and_has_no_momentum(potential, gradients):
    vectors = lengthened(gradients)
    settings = with_settings(SGD, learning_rate=0.03, learning_rate_decay=0.8, clip_norm=2.0)
    clipped = [vectors[0] * 2.0 / 30.0, vectors[1] * 2.0 / 3.0, vectors[2]]
    for number, (found, vector) in enumerate(zip(walked(potential, vectors, settings), clipped, strict=True)):
        np.testing.assert_allclose(found, -0.03 * 0.8**number * vector, atol=1e-12)


def test_a_natural_step_is_as_long_as_its_gradient_is_certain(potential, gradients):
    """Half of the squared gradient is noise: half the step; nothing but noise: none."""
    size = len(vector_of(potential))
    ruler = ruler_of(np.random.default_rng(5).normal(size=(4, size)), NATURAL)
    value, nothing = gradients[0].trajectory.value, Estimate(np.zeros(size), np.zeros(size))
    lengths = []
    for noise in (0.0, np.sqrt(0.5), 2.0):
        part = Estimate(value, np.full(size, noise * np.linalg.norm(value) / np.sqrt(size)))
        gradient = whole_of(part, nothing, np.zeros(size))
        lengths.append(step(potential, gradient, with_settings(NATURAL, shrink_noise=True), None, ruler)[2])
    np.testing.assert_allclose(np.array(lengths) / lengths[0], [1.0, 0.5, 0.0], rtol=1e-9)


def test_natural_steps_shorten(potential, gradients):
    settings = with_settings(NATURAL, learning_rate_decay=0.5)
    ruler = ruler_of(np.random.default_rng(5).normal(size=(4, len(vector_of(potential)))), settings)
    model, state, lengths = potential, None, []
    for _ in range(3):
        model, state, length = step(model, gradients[0], settings, state, ruler)
        lengths.append(length)
    np.testing.assert_allclose(np.array(lengths) / lengths[0], [1.0, 0.5, 0.25], rtol=1e-6)


def test_a_forgotten_state_shows_and_equal_steps_are_equal(potential, gradients):
    def run(keep):
        model, state = potential, None
        for gradient in gradients:
            model, state, _ = step(model, gradient, ADAM, state if keep else None)
        return vector_of(model)

    np.testing.assert_array_equal(run(keep=True), run(keep=True))
    assert np.max(np.abs(run(keep=False) - run(keep=True))) > 1e-3


def test_the_first_step_of_adam_has_the_learning_rate_in_every_component(potential, gradients):
    moved, _, _ = step(potential, gradients[0], ADAM, None)
    signs = np.sign(gradients[0].total(shrink=False))
    np.testing.assert_allclose(vector_of(moved) - vector_of(potential), -1e-2 * signs, rtol=1e-4)


def test_steps_are_counted_in_the_units_of_the_parameters_and_shorten():
    settings = LennardJonesSettings(kind="lennard_jones", sigma=3.4, epsilon=1.0, cutoff=8.0)
    argon = create_model(settings, [Element(symbol="Ar", mass=39.948, charge=0)], jax.random.key(0))
    units = {"sigma": 0.002, "epsilon": 1e-4}  # Å, eV
    chosen = with_settings(
        ADAM, learning_rate=1.0, learning_rate_decay=0.5, parameter_scales=units, momentum=0.0
    )
    scales = parameter_scales(argon, chosen)
    zero = Estimate(np.zeros(2), np.zeros(2))
    by_name = {"epsilon": -3e5, "sigma": 8.0}
    gradient = Gradient(zero, zero, scales * flat_parameters(by_name)[0], scales)
    np.testing.assert_allclose(gradient.anchor, [-30.0, 0.016])
    units = {"sigma": "Å"}
    derivatives = named_derivatives(argon, gradient, units)
    assert [(each.role, each.quantity, each.unit) for each in derivatives] == [
        ("derivative", "epsilon", ""),
        ("derivative", "sigma", "1/Å"),
    ]
    assert [each.value for each in derivatives] == pytest.approx([-3e5, 8.0])
    assert derivatives[1].standard_error == 0.0
    first, state, norm = step(argon, gradient, chosen, None)
    second, _, _ = step(first, gradient, chosen, state)
    assert norm == pytest.approx(np.sqrt(2.0), rel=1e-4)
    models = [
        {each.quantity: each for each in named_parameters(model, units)} for model in (argon, first, second)
    ]
    assert models[0]["sigma"].unit == "Å" and models[0]["sigma"].role == "parameter"
    for name, unit, direction in (("sigma", 0.002, -1.0), ("epsilon", 1e-4, 1.0)):
        values = [model[name].value for model in models]
        np.testing.assert_allclose(np.diff(values), [direction * unit, 0.5 * direction * unit], rtol=1e-4)


def test_plain_descent_goes_down_the_clipped_gradient(potential, gradients):
    total = gradients[0].total(shrink=False)
    assert np.linalg.norm(total) > 1.0
    moved, _, norm = step(potential, gradients[0], SGD, None)
    np.testing.assert_allclose(vector_of(moved), vector_of(potential) - 1e-2 * total / np.linalg.norm(total))
    assert norm == pytest.approx(1e-2)


def test_a_step_keeps_constants_precision_and_metadata(potential, gradients):
    single = potential.cast(jnp.float32).with_trainable(
        potential.cast(jnp.float32).parameters["trainable"], energy_offsets_eV=[1.0, 2.0]
    )
    moved, _, _ = step(single, gradients[0], ADAM, None)
    assert {leaf.dtype for leaf in jax.tree.leaves(moved.parameters)} == {np.dtype("float32")}
    jax.tree.map(np.testing.assert_array_equal, moved.parameters["constants"], single.parameters["constants"])
    assert moved.metadata["energy_offsets_eV"] == [1.0, 2.0]


def test_a_gradient_that_is_not_finite_is_an_error(potential, gradients):
    broken = replace(gradients[0], anchor=np.where(np.arange(len(gradients[0].anchor)) == 3, np.nan, 0.0))
    with pytest.raises(
        CampaignError, match=r"gradient of the objective is not finite.*gradient\.depth.*force_change"
    ):
        step(potential, broken, ADAM, None)


@pytest.mark.parametrize(
    ("totals", "tolerance", "expected"),
    [
        ([5.0], 0.0, False),
        ([5.0, 4.0, 3.0], 0.0, False),  # not longer than the patience
        ([5.0, 4.0, 3.0, 2.0], 0.0, False),  # still falling
        ([5.0, 2.0, 3.0, 4.0, 2.5], 0.0, True),  # three without a better one
        ([5.0, 2.0, 3.0, 4.0, 1.9], 0.0, False),  # the last one is better
        ([5.0, 2.0, 3.0, 4.0, 1.9], 0.1, True),  # but not by a tenth
        ([5.0, 2.0, 2.0, 2.0, 2.0], 0.0, False),  # as good as before is not worse
        ([2.0, 3.0, 3.0], 0.0, False),
        ([2.0, 3.0, 3.0, 3.0], 0.0, True),  # the first that is longer than the patience
        ([2.0, 3.0, 3.0, 3.0, 1.0], 0.0, False),
        ([5.0, 1.0, 3.0, 3.0, 3.0], 0.0, True),  # the best is as old as the patience
        ([5.0, 4.0, 1.0, 3.0, 3.0], 0.0, False),  # and here an iteration younger
        ([5.0, 1.0, 3.0, 1.5, 3.0, 3.0], 0.0, True),
        ([5.0, 6.0, 4.0, 6.0, 6.0], 0.0, False),  # better than before, though not in the end
        ([4.0, 3.0, 3.0, 3.0], 0.25, False),  # better by the tolerance exactly
        ([4.0, 3.01, 3.5, 3.5], 0.25, True),
    ],
)
def test_convergence(totals, tolerance, expected):
    assert has_converged(totals, StopSettings(patience=3, tolerance=tolerance)) == expected


def test_terms_of_the_history_add_up_with_their_weights():
    table = pd.DataFrame(
        {
            "term": ["infrared", "infrared"],
            "state": ["280K", "300K"],
            "loss": [0.5, 0.25],
            "standard_error": [0.03, 0.04],
            "weight": [1.0, 2.0],
        }
    )
    objective, *losses, pull = terms(table, {"anchor": (1e-3, 100.0)})
    assert (objective.role, objective.value) == ("objective", pytest.approx(0.5 + 2 * 0.25 + 0.1))
    assert objective.standard_error == pytest.approx(np.hypot(0.03, 2 * 0.04))
    assert losses == [
        Entry("loss", "infrared", 0.5, 0.03, state="280K"),
        Entry("loss", "infrared", 0.25, 0.04, state="300K"),
    ]
    assert (pull.role, pull.value) == ("anchor", 1e-3) and np.isnan(pull.standard_error)
    objective, *losses = terms(table, {})
    assert objective.value == pytest.approx(0.5 + 2 * 0.25)
    assert {loss.role for loss in losses} == {"loss"}


def test_norms_of_the_history():
    gradient = whole_of(
        Estimate(np.array([3.0, 4.0]), np.array([0.0, 2.0])),
        Estimate(np.array([0.0, 1.0]), np.array([1.0, 0.0])),
        np.ones(2),
    )
    *parts, resolved = norms(gradient, with_anchor=True)
    assert {part.role for part in parts} == {"gradient"}
    sizes = {part.quantity: (part.value, part.standard_error) for part in parts}
    assert sizes["whole"] == pytest.approx((np.hypot(4.0, 6.0), np.sqrt(5.0)))
    assert (sizes["trajectory"], sizes["ensemble"]) == ((5.0, 2.0), (1.0, 1.0))
    assert sizes["anchor"][0] == pytest.approx(np.sqrt(2))
    assert (resolved.role, resolved.value) == ("control", pytest.approx(1 - 5 / 34))
    assert "anchor" not in [entry.quantity for entry in norms(gradient, with_anchor=False)]


def test_conditions_of_the_history():
    def chunk(temperatures, drifts):
        nothing = np.zeros((2, 2, 1, 3))
        return Trajectories({}, nothing, nothing, np.array(drifts), np.array(temperatures))

    trajectories = {
        "300K": [
            chunk([[290.0, 310.0], [310.0, 330.0]], [[0.1, -0.3], [0.2, 0.2]]),
            chunk([[300.0, 300.0], [280.0, 300.0]], [[0.1, 0.1], [0.1, 0.1]]),
        ],
        "340K": [chunk([[340.0, 340.0], [350.0, 330.0]], [[0.0, 0.1], [0.0, 0.1]])],
    }
    cold, warm, drift = conditions(trajectories)
    assert (cold.role, cold.quantity, cold.state, cold.unit) == ("condition", "temperature", "300K", "K")
    assert cold.value == pytest.approx(302.5)
    assert cold.standard_error == pytest.approx(np.std([300, 320, 300, 290], ddof=1) / 2)
    assert (warm.state, warm.value) == ("340K", pytest.approx(340.0))
    assert (drift.role, drift.unit, drift.value) == ("control", "meV/atom", pytest.approx(0.15))


def test_the_smallest_sample_size_of_all_states():
    assert smallest_sample_size([np.full(4, 0.25), np.array([0.5, 0.5, 0.0, 0.0])]).value == pytest.approx(
        0.5
    )


def test_a_history_is_read_as_it_was_written(tmp_path):
    """With its empty cells; iterations are told apart by their numbers."""
    first = [
        Entry("objective", "objective", 1 / 3, 1e-17),
        Entry("loss", "infrared", 0.1 + 0.2, state="300K"),
    ]
    second = [Entry("objective", "objective", 2 / 3), Entry("parameter", "scale", 1e-300, unit="")]
    history = begun().extended(0, first).extended(1, second)
    save_history(tmp_path / "history.csv", history)
    read = load_history(tmp_path / "history.csv")
    pd.testing.assert_frame_equal(read.table, history.table, rtol=1e-14)
    assert read.iterations == [0, 1] and read.objective.value.tolist() == [1 / 3, 2 / 3]
    assert list(read.by_quantity("loss")) == [("infrared", "300K")]
    pd.testing.assert_frame_equal(read.without([1]).table, begun().extended(0, first).table)
    assert read.without([0]).of_role("parameter").value.tolist() == [1e-300]


def test_frozen_parameters_stay_and_the_others_move_as_if_they_were_alone(potential, gradients):
    vector, _ = flat_parameters(potential.parameters["trainable"])
    probes = np.random.default_rng(6).normal(size=(30, len(vector)))
    for settings in (ADAM, NATURAL):
        own = with_settings(settings, trainable=TRAINABLE)
        free = np.flatnonzero(parameter_scales(potential, own))
        assert 0 < len(free) < len(vector)
        ruler = ruler_of(probes[:, free], settings)
        alone = optimiser_of(settings, ruler)
        expected, memory = vector[free], alone.init(vector[free])
        moved, state = potential, None
        for gradient in gradients:
            given = replace(gradient, scales=parameter_scales(potential, own))
            moved, state, _ = step(moved, given, own, state, ruler)
            with jax.numpy_dtype_promotion("standard"):  # Optax divides by counts of steps
                change, memory = alone.update(jnp.asarray(gradient.total(False)[free]), memory, expected)
            expected += change
        found, _ = flat_parameters(moved.parameters["trainable"])
        np.testing.assert_array_equal(np.delete(found, free), np.delete(vector, free))
        np.testing.assert_allclose(found[free], expected, rtol=1e-12)
        assert not np.allclose(found[free], vector[free])


def test_a_gradient_does_not_see_frozen_parameters(chunks):
    """Neither its noise nor the lengths to which rows are shortened."""
    anchor, free = np.arange(5.0), [0, 3]
    scales = np.array([0.5, 0.0, 0.0, 2.0, 0.0])
    found = gather_gradient(chunks, anchor, scales, 1.0)
    narrowed = [
        [
            replace(
                each,
                trajectory=each.trajectory[:, free],
                ensemble=each.ensemble[:, free],
                mean_energy_gradient=each.mean_energy_gradient[:, free],
            )
            for each in state
        ]
        for state in chunks
    ]
    expected = gather_gradient(narrowed, anchor[free], scales[free], 1.0)
    np.testing.assert_allclose(found.total(True)[free], expected.total(True), rtol=1e-12)
    assert found.uncertain.resolved == pytest.approx(expected.uncertain.resolved, rel=1e-12)
    assert not np.delete(found.total(True), free).any()


def test_patterns_choose_and_exclude_names():
    names = ["layers/0/weights", "layers/1/weights", "centers"]
    for patterns, expected in (
        ([], names),
        (TRAINABLE, ["layers/1/weights"]),
        (["!layers/*"], ["centers"]),
        (["centers", "layers/1/*"], ["layers/1/weights", "centers"]),
    ):
        settings = with_settings(ADAM, trainable=patterns)
        assert list(filter(settings.frees, names)) == expected
