"""Thermal expansion from the covariance of volume and enthalpy at constant pressure."""

from jaxtyping import Array, Float

from dynrefine.properties.fluctuations import Fluctuation, Moments


class ThermalExpansion(Fluctuation):
    """α = cov(V, H)/(kT² <V>)."""

    quantities = (("temperature", "K"), ("thermal expansion", "1e-3/K"))

    def of_moments(self, moments: Moments) -> Float[Array, "*leading"]:
        """α in 1e-3/K."""
        return 1e3 * moments.covariance / (self.thermal * self.conditions.temperature * moments.volume)


PROPERTY = ThermalExpansion
