"""Constant pressure by stochastic cell rescaling.

Between steps of the thermostat the volume makes an overdamped step, and the positions are scaled with it:

    dε = β_T/τ (P - P₀) dt + sqrt(2 kT β_T/(V τ)) dW,   ε = ln V,   P = N kT/V - ∂U/∂V

The momenta are left alone: the kinetic part of the pressure is that of their distribution, which V does not change.
Then ε is distributed as V^(N+1) exp(-(U + P₀ V)/kT), as at constant pressure. The compressibility β_T and the
relaxation time τ only set the rate. Source: Bernetti & Bussi, J. Chem. Phys. 153, 114107 (2020).
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from dynrefine.geometry.system import Point
from dynrefine.units import BAR, BOLTZMANN


@dataclass(frozen=True)
class Barostat:
    """Stochastic cell rescaling, the same along all three cell vectors; static under jit.

    Attributes:
        pressure: target, bar.
        compressibility: roughly that of the liquid, 1/bar.
        relaxation: time in which the volume relaxes if that holds, fs.
    """

    pressure: float
    compressibility: float
    relaxation: float

    @property
    def mobility(self) -> float:
        """β_T/τ, Å³/(eV fs)."""
        return self.compressibility / (BAR * self.relaxation)

    def rescaled(
        self, point: Point, virial: Float[Array, ""], kelvin: float, interval: float, key: jax.Array
    ) -> Point:
        """A point after the step of the volume.

        Arguments:
            point: before it.
            virial: -∂U/∂V there, bar.
            kelvin: temperature, K.
            interval: length of the step, fs.
            key: of the noise.
        """
        thermal, dtype = BOLTZMANN * kelvin, point.positions.dtype
        pressure = len(point.positions) * thermal / point.volume + BAR * (virial - self.pressure)
        spread = jnp.sqrt(2.0 * self.mobility * interval * thermal / point.volume)
        strain = self.mobility * interval * pressure + spread * jax.random.normal(key, (), dtype)
        scale = jnp.exp(strain / 3.0)
        return Point(scale * point.positions, point.velocities, scale * point.cell)
