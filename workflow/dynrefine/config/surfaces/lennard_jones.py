"""Settings of Lennard-Jones potentials."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from dynrefine.config.base import PositiveFloat
from dynrefine.config.surfaces.base import SurfaceSettings


class LennardJonesPairs(SurfaceSettings):
    """How a Lennard-Jones energy is cut off."""

    trained: ClassVar[bool] = False

    cutoff: PositiveFloat = Field(10.0, description="Distance beyond which atoms do not see each other, Å.")
    truncation: Literal["truncated", "shifted", "force_shifted", "switched"] = Field(
        "switched",
        description="What happens at the cutoff (truncated: the energy jumps; shifted: the energy does not jump; "
        "force_shifted: nor does the force; switched: both fall to zero smoothly).",
    )
    switching_width: PositiveFloat = Field(
        1.0, description="Distance over which the energy is switched to zero before the cutoff, Å."
    )
    tail_correction: bool = Field(
        True, description="Add to energy and pressure what the cutoff takes away, as in a uniform liquid."
    )


class LennardJonesSettings(LennardJonesPairs):
    mixtures: ClassVar[bool] = False

    kind: Literal["lennard_jones"] = Field(
        description="Kind of potential (lennard_jones: 12-6 potential of one element; needs no data set).",
        examples=["lennard_jones"],
    )
    sigma: PositiveFloat = Field(
        description="Initial distance at which the pair energy is zero, Å.", examples=[3.4]
    )
    epsilon: PositiveFloat = Field(description="Initial depth of the pair energy, kJ/mol.", examples=[0.998])

    @property
    def parameters(self) -> Mapping[str, str]:
        """Those of the pair energy."""
        return {"sigma": "Å", "epsilon": "eV"}
