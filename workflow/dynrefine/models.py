"""Models in files: an architecture with its parameters, for the potential and the dipole surface alike."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from dynrefine.dipoles import DipoleSurface
from dynrefine.errors import CampaignError
from dynrefine.potentials import POTENTIALS
from dynrefine.storage import ArrayFile, read_arrays, write_arrays

Parameters = dict[str, Any]


@dataclass(frozen=True)
class Model:
    """An architecture, its parameters, and what else its file says.

    Attributes:
        architecture: a potential of `POTENTIALS` or a `DipoleSurface`.
        parameters: {"trainable", "constants"}, trees of arrays.
        settings: the configuration that made the architecture: {"kind", ..., "elements"}.
        metadata: provenance, and flags such as "converged".
    """

    architecture: Any
    parameters: Parameters
    settings: Mapping[str, Any]
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def converged(self) -> bool:
        """Whether the refinement that made this model ended with it."""
        return bool(self.metadata.get("converged", False))

    @property
    def dtype(self) -> Any:
        """Of the trainable parameters, and so of what is computed with them."""
        return jax.tree.leaves(self.parameters["trainable"])[0].dtype

    def with_trainable(self, trainable: Any, **metadata: Any) -> "Model":
        """The same model with other trainable parameters and added metadata."""
        return replace(
            self,
            parameters={**self.parameters, "trainable": trainable},
            metadata={**self.metadata, **metadata},
        )

    def cast(self, dtype: Any) -> "Model":
        """The same model in another floating-point precision; integers among its constants stay integers."""

        def cast(leaf: Any) -> jax.Array:
            leaf = jnp.asarray(leaf)
            return leaf.astype(dtype) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf

        return replace(self, parameters=jax.tree.map(cast, self.parameters))


def create_model(settings: Mapping[str, Any], elements: list[dict[str, Any]], key: jax.Array) -> Model:
    """A fresh model from its configuration section (`potential` or `dipole`) and the elements."""
    settings = {**settings, "elements": elements}
    architecture = _architecture(settings)
    return Model(architecture, architecture.initial_parameters(key), settings)


def save_model(path: str | Path, model: Model) -> None:
    """Write a model; the names in the file are the paths in its parameter tree."""
    leaves = jax.tree_util.tree_leaves_with_path(model.parameters)
    arrays = {parameter_name(key): np.asarray(leaf) for key, leaf in leaves}
    content = ArrayFile(
        arrays,
        units=dict.fromkeys(arrays, "Å, eV, e and their products"),
        metadata={**model.metadata, "settings": dict(model.settings)},
    )
    write_arrays(path, "model", content)


def load_model(path: str | Path, expected: Mapping[str, Any], elements: list[dict[str, Any]]) -> Model:
    """Read a model and make sure that it is the one the configuration describes.

    Arguments:
        path: the file.
        expected: configuration section, `potential` or `dipole`.
        elements: configuration section.

    Raises:
        CampaignError: the file is unreadable or holds another architecture.
    """
    content = read_arrays(path, "model")
    metadata = dict(content.metadata)
    settings = metadata.pop("settings")
    wanted = {**expected, "elements": elements}
    for name, value in wanted.items():
        if settings.get(name) != value:
            raise CampaignError(
                f"{path} holds a model of another architecture: {name} is {settings.get(name)} in the file and "
                f"{value} in the configuration; train again or give back the former setting."
            )
    architecture = _architecture(settings)
    template = jax.eval_shape(architecture.initial_parameters, jax.random.key(0))
    paths, structure = jax.tree_util.tree_flatten_with_path(template)
    names = [parameter_name(key) for key, _ in paths]
    parameters = jax.tree_util.tree_unflatten(structure, [jnp.asarray(content.arrays[n]) for n in names])
    return Model(architecture, parameters, settings, metadata)


def load_surfaces(files: Any, settings: Mapping[str, Any], dtype: Any) -> dict[str, Model]:
    """The models beside the potential that observables need, by name.

    Arguments:
        files: inputs of a job; `dipole` is empty where no dipole surface is needed.
        settings: with the configuration sections `elements` and `dipole`.
        dtype: of the parameters.
    """
    if not files.dipole:
        return {}
    return {"dipole": load_model(files.dipole, settings["dipole"], settings["elements"]).cast(dtype)}


def parameter_name(path: tuple[Any, ...]) -> str:
    """The name of a leaf in a tree of parameters: layers/0/weights."""
    return jax.tree_util.keystr(path, simple=True, separator="/")


def flat_parameters(trainable: Any) -> tuple[np.ndarray, Any]:
    """Trainable parameters as one vector [P], and the function that restores the tree."""
    vector, restore = ravel_pytree(trainable)
    return vector, restore


def _architecture(settings: Mapping[str, Any]) -> Any:
    kind = settings["kind"]
    if kind == "dipole":
        return DipoleSurface.from_settings(settings, settings["elements"])
    return POTENTIALS[kind].from_settings(settings, settings["elements"])
