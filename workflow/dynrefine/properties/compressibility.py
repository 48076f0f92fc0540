"""Isothermal compressibility from the fluctuations of the volume at constant pressure."""

from jaxtyping import Array, Float

from dynrefine.properties.fluctuations import Fluctuation, Moments
from dynrefine.units import BAR


class Compressibility(Fluctuation):
    """κ_T = var(V)/(kT <V>)."""

    quantities = (("temperature", "K"), ("isothermal compressibility", "1e-6/bar"))

    def of_moments(self, moments: Moments) -> Float[Array, "*leading"]:
        """κ_T in 1e-6/bar."""
        return 1e6 * BAR * moments.volume_variance / (self.thermal * moments.volume)


PROPERTY = Compressibility
