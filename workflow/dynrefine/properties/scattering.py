"""How much each element scatters."""

import numpy as np
import periodictable
from jaxtyping import Float
from periodictable.cromermann import fxrayatq

from dynrefine.config.properties.structure import Scattering
from dynrefine.datasets.isotopes import element_of


def amplitude(settings: Scattering, symbol: str, q: Float[np.ndarray, " W"]) -> Float[np.ndarray, " W"]:
    """Coherent scattering length (fm), or form factor of the free atom (electrons), at each Q (1/Å)."""
    if settings.radiation == "xray":
        return fxrayatq(element_of(symbol), q)
    tabulated = getattr(periodictable, symbol).neutron.b_c
    return np.full(len(q), settings.lengths.get(symbol, tabulated), float)


def incoherent_cross_section(symbol: str) -> float:
    """Incoherent neutron cross section of the natural element, barn."""
    return float(getattr(periodictable, symbol).neutron.incoherent)
