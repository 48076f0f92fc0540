"""A property of two quantities: how much the energy changes from frame to frame, and the square of the current."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from dynrefine.files.trajectories import Observed
from dynrefine.properties.base import Conditions
from toy_extension.fluctuations_settings import Settings


@dataclass(frozen=True, eq=False)
class Fluctuations:
    """The property.

    Attributes:
        abscissa: temperature [1], K.
        target: mean square change of the energy [1], eV².
    """

    abscissa: np.ndarray
    target: np.ndarray

    along = Settings.along
    at_start = ()
    quantities = (("temperature", "K"), ("mean square change", "eV²"))

    @classmethod
    def from_settings(cls, settings: Settings, measured: None, conditions: Conditions) -> "Fluctuations":
        """The property that the configuration describes."""
        return cls(np.array([conditions.temperature]), np.array([settings.target]))

    def statistic(self, observed: Observed) -> jax.Array:
        """Mean squares of the energy's changes (eV²) and of the current (e²Å²/fs²) [..., 2]."""
        changes = jnp.diff(observed.along["toy_extension.energy"], axis=-1)
        squared = jnp.sum(observed.along["toy_extension.current"] ** 2, axis=-1)
        return jnp.stack([jnp.mean(changes**2, axis=-1), jnp.mean(squared, axis=-1)], axis=-1)

    def predict(self, mean: jax.Array) -> jax.Array:
        """The mean square change of the energy [1], eV²."""
        return mean[..., :1]

    def loss(self, mean: jax.Array) -> jax.Array:
        """The squared logarithm of its ratio to the target; a hundredth of the current's square beside it."""
        return jnp.log(mean[0] / self.target[0]) ** 2 + 0.01 * jnp.log(mean[1] / 1e-3) ** 2


PROPERTY = Fluctuations
