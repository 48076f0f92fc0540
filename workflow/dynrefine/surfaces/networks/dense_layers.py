"""One small dense network per chemical element, evaluated for all atoms at once."""

import jax
import jax.numpy as jnp

Layers = list[dict[str, jax.Array]]


def initial_layers(key: jax.Array, elements: int, sizes: list[int]) -> Layers:
    """Random weights for layers of the given sizes, input and output included.

    Returns:
        for each layer weights [elements, in, out] and biases [elements, out].
    """
    layers = []
    for inputs, outputs in zip(sizes[:-1], sizes[1:], strict=True):
        key, layer_key = jax.random.split(key)
        weights = jax.random.normal(layer_key, (elements, inputs, outputs)) / jnp.sqrt(inputs)
        layers.append({"weights": weights, "biases": jnp.zeros((elements, outputs))})
    return layers


def evaluate(layers: Layers, species: jax.Array, features: jax.Array) -> jax.Array:
    """Outputs of each atom's own network [N, out]; zero for padding atoms (species -1).

    Every network is evaluated for every atom, and a mask selects. For the few elements of a molecular liquid this is
    faster than gathering weights, and shapes do not depend on the composition.

    Arguments:
        layers: from `initial_layers`.
        species: element index of each atom [N].
        features: inputs [N, in].
    """
    hidden = jnp.broadcast_to(features, (layers[0]["weights"].shape[0], *features.shape))
    for index, layer in enumerate(layers):
        hidden = jnp.einsum("eni,eio->eno", hidden, layer["weights"]) + layer["biases"][:, None, :]
        if index < len(layers) - 1:
            hidden = jax.nn.silu(hidden)
    selected = jax.nn.one_hot(species, len(hidden), dtype=features.dtype)
    return jnp.einsum("eno,ne->no", hidden, selected)
