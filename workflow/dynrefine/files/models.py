"""Files of models: the architecture of a surface with its parameters."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from dynrefine.config.base import TrainableSettings
from dynrefine.config.data import Element
from dynrefine.config.surfaces.base import SurfaceSettings, description, differences
from dynrefine.config.surfaces.joined import JOINED, JoinedSettings, settings_in_file
from dynrefine.errors import CampaignError
from dynrefine.files.arrays import ArrayFile, read_arrays, read_kind, write_arrays
from dynrefine.geometry.frames_with_neighbours import FramesWithNeighbours
from dynrefine.registry import plug_in
from dynrefine.surfaces.joined import joined_parameters

Parameters = dict[str, Any]
EXPORTED = "exported potential"  # the kind of a file with several surfaces


@dataclass(frozen=True)
class Model:
    """An architecture, its parameters, and further content of its file.

    Attributes:
        architecture: of the surface.
        parameters: {"trainable", "constants"}, trees of arrays.
        settings: the configuration of the architecture: {"kind", ..., "elements"}.
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
        """Precision of the trainable parameters, and so of everything computed with them."""
        return jax.tree.leaves(self.parameters["trainable"])[0].dtype

    def with_trainable(self, trainable: Any, **metadata: Any) -> "Model":
        """The same model with other trainable parameters and added metadata."""
        return replace(
            self,
            parameters={**self.parameters, "trainable": trainable},
            metadata={**self.metadata, **metadata},
        )

    def surfaces(self, name: str = "potential") -> dict[str, "Model"]:
        """The surfaces that a potential consists of, by name: itself, and those refined with it.

        Arguments:
            name: given to a model that is a single surface.
        """
        if self.settings["kind"] != JOINED:
            return {name: self}
        of_surfaces = self.metadata["surfaces"]
        common = {key: value for key, value in self.metadata.items() if key != "surfaces"}
        found = {}
        for own, surface in self.architecture.surfaces(self.parameters).items():
            metadata = {**of_surfaces[own], **common}
            settings = metadata.pop("settings")
            found[own] = Model(surface.architecture, dict(surface.parameters), settings, metadata)
        return found

    def displaced(self, displacement: Mapping[str, float]) -> "Model":
        """The same model with displacements, by name and in their units, added to parameters."""
        return self.with_trainable(
            jax.tree_util.tree_map_with_path(
                lambda path, leaf: leaf + displacement.get(parameter_name(path), 0.0),
                self.parameters["trainable"],
            )
        )

    def moved(self, change: Any) -> "Model":
        """The same model with a change [P] added to its trainable parameters, in their units."""
        vector, restored = flat_parameters(self.parameters["trainable"])
        return self.with_trainable(restored(vector + change))

    def with_constants_fitted(self, training: FramesWithNeighbours) -> "Model":
        """The same model with the constants that its architecture takes from the training frames, if any."""
        if not hasattr(self.architecture, "fitted_constants"):
            return self
        constants = self.architecture.fitted_constants(self.parameters, training)
        dtype = training.frames.positions.dtype
        constants = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), constants)
        return replace(self, parameters={**self.parameters, "constants": constants})

    def cast(self, dtype: Any) -> "Model":
        """The same model in another floating-point precision; integers among its constants stay integers."""

        def cast(leaf: Any) -> jax.Array:
            leaf = jnp.asarray(leaf)
            return leaf.astype(dtype) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf

        return replace(self, parameters=jax.tree.map(cast, self.parameters))


def create_model(settings: SurfaceSettings, elements: Sequence[Element], key: jax.Array) -> Model:
    """A fresh model from its section of the configuration (`potential` or `dipole`) and the elements."""
    architecture = _architecture(settings, elements)
    begin = getattr(architecture, "first_parameters", architecture.initial_parameters)
    return Model(architecture, begin(key), description(settings, elements))


def joined(surfaces: Mapping[str, Model], settings: JoinedSettings, elements: Sequence[Element]) -> Model:
    """A potential together with the surfaces that are refined with it.

    Arguments:
        surfaces: by name, including the potential.
        settings: of all of them.
        elements: of the configuration.
    """
    own = {name: surfaces[name] for name in settings.surfaces}
    return Model(
        _architecture(settings, elements),
        joined_parameters({name: model.parameters for name, model in own.items()}),
        description(settings, elements),
        {"surfaces": {name: _described(model) for name, model in own.items()}},
    )


def save_model(path: str | Path, model: Model) -> None:
    """Write a model; the names in the file are the paths in its parameter tree."""
    write_arrays(path, "model", content_of(model))


def load_model(path: str | Path, settings: SurfaceSettings, elements: Sequence[Element]) -> Model:
    """Read a model and make sure that the configuration describes it.

    Arguments:
        path: the file.
        settings: section of the configuration, `potential` or `dipole`.
        elements: of the configuration.

    Raises:
        CampaignError: the file is unreadable or holds another architecture.
    """
    content = read_arrays(path, "model")
    for difference in differences(content.metadata["settings"], settings, elements):
        raise CampaignError(
            f"{path} holds a model of another architecture: {difference}; train again or restore the former setting."
        )
    return model_of(content)


def read_model(path: str | Path) -> Model:
    """Read a model as its file describes it.

    Raises:
        CampaignError: the file is unreadable or of another kind.
    """
    return model_of(read_arrays(path, "model"))


def read_surfaces(path: str | Path) -> dict[str, Model]:
    """The surfaces in an exported file or in the file of a potential, by name.

    Raises:
        CampaignError: the file is unreadable or neither of these.
    """
    if read_kind(path) == "model":
        return read_model(path).surfaces()
    content = read_arrays(path, EXPORTED)
    return {
        name: model_of(ArrayFile(content.group(name), metadata=metadata))
        for name, metadata in content.metadata["surfaces"].items()
    }


def common_symbols(models: Mapping[str, Model]) -> list[str]:
    """The elements of models, which must all have the same ones in the same order.

    Arguments:
        models: by the names used in the message.

    Raises:
        CampaignError: they differ.
    """
    symbols = {
        name: [element["symbol"] for element in model.settings["elements"]] for name, model in models.items()
    }
    first, *others = symbols.values()
    if any(own != first for own in others):
        raise CampaignError(
            "the surfaces have different elements, or another order of them, expected the same: "
            + ", ".join(f"{name} {own}" for name, own in symbols.items())
            + "; give surfaces of one campaign."
        )
    return first


def content_of(model: Model) -> ArrayFile:
    """The content of a model's file."""
    leaves = jax.tree_util.tree_leaves_with_path(model.parameters)
    arrays = {parameter_name(key): np.asarray(leaf) for key, leaf in leaves}
    return ArrayFile(
        arrays,
        units=dict.fromkeys(arrays, "Å, eV, e and their products"),
        metadata=_described(model),
    )


def model_of(content: ArrayFile) -> Model:
    """The model that a file holds, as it describes itself."""
    metadata = dict(content.metadata)
    found = metadata.pop("settings")
    architecture = _architecture(*settings_in_file(found))
    template = jax.eval_shape(architecture.initial_parameters, jax.random.key(0))
    paths, structure = jax.tree_util.tree_flatten_with_path(template)
    names = [parameter_name(key) for key, _ in paths]
    parameters = jax.tree_util.tree_unflatten(structure, [jnp.asarray(content.arrays[n]) for n in names])
    return Model(architecture, parameters, found, metadata)


def parameter_name(path: tuple[Any, ...]) -> str:
    """The name of a leaf in a tree of parameters: layers/0/weights."""
    return jax.tree_util.keystr(path, simple=True, separator="/")


def single_numbers(trainable: Any) -> dict[str, float]:
    """The parameters of a tree that are single numbers, by their names."""
    leaves = jax.tree_util.tree_leaves_with_path(trainable)
    return {parameter_name(path): float(leaf) for path, leaf in leaves if jnp.ndim(leaf) == 0}


def trainable_names(settings: SurfaceSettings, elements: Sequence[Element]) -> list[str]:
    """The names of the trainable parameters of a surface."""
    template = jax.eval_shape(_architecture(settings, elements).initial_parameters, jax.random.key(0))
    return [parameter_name(path) for path, _ in jax.tree_util.tree_leaves_with_path(template["trainable"])]


def flat_parameters(trainable: Any) -> tuple[jax.Array, Callable[[jax.Array], Any]]:
    """Trainable parameters as one vector [P], and the function that restores the tree."""
    return ravel_pytree(trainable)


def free_parameters(trainable: Any, settings: TrainableSettings) -> tuple[Any, Callable[[Any], Any]]:
    """The free trainable parameters, with None for the others, and the function that puts the others back."""
    free = jax.tree_util.tree_map_with_path(
        lambda path, leaf: leaf if settings.frees(parameter_name(path)) else None, trainable
    )

    def restored(free: Any) -> Any:
        return jax.tree.map(
            lambda own, kept: kept if own is None else own, free, trainable, is_leaf=lambda leaf: leaf is None
        )

    return free, restored


def _described(model: Model) -> dict[str, Any]:
    """The metadata of a model's file."""
    return {**model.metadata, "settings": dict(model.settings)}


def _architecture(settings: SurfaceSettings, elements: Sequence[Element]) -> Any:
    return plug_in("surfaces", settings.kind).SURFACE.from_settings(settings, elements)
