"""Heat capacity from the fluctuations of the enthalpy: at constant pressure or volume, whichever is sampled."""

from jaxtyping import Array, Float

from dynrefine.properties.fluctuations import Fluctuation, Moments
from dynrefine.units import ATOMIC_MASS, BOLTZMANN, ELECTRONVOLT


class HeatCapacity(Fluctuation):
    """c = (var(H)/(kT²) + 3/2 N k)/M."""

    quantities = (("temperature", "K"), ("heat capacity", "kJ/(kg K)"))

    def of_moments(self, moments: Moments) -> Float[Array, "*leading"]:
        """c in kJ/(kg K)."""
        kinetic = 1.5 * BOLTZMANN * self.conditions.atoms
        of_cell = moments.enthalpy_variance / (self.thermal * self.conditions.temperature) + kinetic
        return 1e-3 * ELECTRONVOLT / ATOMIC_MASS * of_cell / self.conditions.mass


PROPERTY = HeatCapacity
