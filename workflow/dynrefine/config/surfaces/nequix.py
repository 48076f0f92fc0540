"""Settings of equivariant networks of the package nequix."""

from typing import Literal

from pydantic import Field

from dynrefine.config.base import PositiveFloat, PositiveInt, Section
from dynrefine.config.data import Checksum
from dynrefine.config.surfaces.base import SurfaceSettings


class FoundationFile(Section):
    path: str = Field(
        description="Path of the file of a trained network, in the format of its package.",
        examples=["resources/foundation.nqx"],
    )
    sha256: Checksum = Field(description="Its SHA-256, 64 hexadecimal digits.", examples=["0" * 64])


class NequixSettings(SurfaceSettings):
    kind: Literal["nequix"] = Field(
        description="Kind of potential (nequix: equivariant message-passing network of the package nequix, trained "
        "on the data set).",
        examples=["nequix"],
    )
    cutoff: PositiveFloat = Field(5.0, description="Distance beyond which atoms exchange no messages, Å.")
    features: str = Field(
        "32x0e + 32x1o + 16x2e",
        pattern=r"^\d+x0e( *\+ *\d+x\d[eo])*$",
        description="Features of an atom: the number of each irreducible representation, in the notation of e3nn, "
        "scalars first.",
    )
    angular_momentum: int = Field(
        2, ge=0, le=4, description="Largest angular momentum l of the spherical harmonics of edges."
    )
    layers: PositiveInt = Field(
        3, description="Rounds of message passing; an atom sees as far as that many cutoffs."
    )
    radial_functions: PositiveInt = Field(8, description="Number of radial Bessel functions.")
    radial_width: PositiveInt = Field(64, description="Neurons in each hidden layer of the radial networks.")
    radial_layers: PositiveInt = Field(2, description="Hidden layers of the radial networks.")
    envelope_power: float = Field(
        6.0,
        ge=2.0,
        description="Power p of the polynomial envelope that takes messages to zero at the cutoff.",
    )
    initial_scale: PositiveFloat = Field(
        4.0,
        description="Variance of the initial weights of the radial networks, times the number of their inputs.",
    )
    element_weights: bool = Field(
        True, description="Give each element its own weights where features bypass a round of messages."
    )
    layer_norm: bool = Field(False, description="Normalise the features after each round of messages.")
    known_elements: list[str] | None = Field(
        None,
        description="Chemical symbols of all elements that the network knows, those of its foundation; null: those "
        "of the campaign.",
    )
    foundation: FoundationFile | None = Field(
        None,
        description="File of the package (.nqx) with the network that the training starts from; null: a random one. "
        "If file is given there is no training, and this only records how that file was made.",
        examples=[None],
    )
