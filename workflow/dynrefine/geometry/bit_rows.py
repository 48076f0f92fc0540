"""Which of many candidates are chosen, as bits of words, and their places: fast even where scatters are slow."""

import jax
import jax.numpy as jnp
import numpy as np

WORD = 32  # bits


def packed(chosen: jax.Array) -> jax.Array:
    """Booleans [..., M, N] as bits of words, uint32 [..., M / 32, N]; M is a multiple of 32.

    The candidates are not on the last axis because a CPU vectorises over that one.
    """
    lanes = chosen.reshape(*chosen.shape[:-2], -1, WORD, chosen.shape[-1])
    return jnp.sum(lanes.astype(jnp.uint32) << jnp.arange(WORD, dtype=jnp.uint32)[:, None], axis=-2)


def single_bits(candidates: int, places: np.ndarray) -> np.ndarray:
    """Words [M / 32, N] as from `packed`, of M candidates one of which is chosen in each column, at places [N].

    It is a constant of the program, made here because the compiler would take seconds to compute it.
    """
    words = np.zeros((candidates // WORD, len(places)), np.uint32)
    words[places // WORD, np.arange(len(places))] = np.uint32(1) << (places % WORD).astype(np.uint32)
    return words


def places_of_bits(words: jax.Array, capacity: int) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Where the first bits of each column are set.

    Arguments:
        words: from `packed` [W, N].
        capacity: bits to find in each column, K.

    Returns:
        places in rising order, int32 [N, K]; whether there are that many, bool [N, K]; and how many bits of each
        column are set, int32 [N].
    """
    until = jnp.cumsum(jax.lax.population_count(words).astype(jnp.int32), axis=0).T
    wanted = jnp.arange(capacity, dtype=jnp.int32)
    number = _words_before(until, wanted)
    found = number < len(words)
    number = jnp.minimum(number, len(words) - 1)
    word = jnp.take_along_axis(words.T, number, axis=1)
    before = jnp.take_along_axis(until, number, axis=1) - jax.lax.population_count(word).astype(jnp.int32)
    return WORD * number + _place_in_word(word, wanted - before), found, until[:, -1]


def _words_before(until: jax.Array, wanted: jax.Array) -> jax.Array:
    """How many of the rising numbers [N, W] of each row do not exceed each wanted one [K], int32 [N, K].

    Counting word by word is several times faster on a CPU than bisection, which gathers.
    """

    def count(number: jax.Array, column: jax.Array) -> tuple[jax.Array, None]:
        return number + (column[:, None] <= wanted), None

    none = jnp.zeros((len(until), len(wanted)), jnp.int32)
    return jax.lax.scan(count, none, until.T)[0]


def _place_in_word(word: jax.Array, rank: jax.Array) -> jax.Array:
    """The place of the set bit that has `rank` set bits below it, by halving."""
    place = jnp.zeros_like(rank)
    for width in (16, 8, 4, 2, 1):
        below = jax.lax.population_count(word & jnp.uint32((1 << width) - 1)).astype(rank.dtype)
        beyond = rank >= below
        rank = jnp.where(beyond, rank - below, rank)
        word = jnp.where(beyond, word >> width, word)
        place += jnp.where(beyond, width, 0)
    return place
