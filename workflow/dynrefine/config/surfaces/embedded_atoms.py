"""Settings of networks of embedded atoms: potential, dipole and polarizability."""

from typing import Literal

from pydantic import Field

from dynrefine.config.base import Layers, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from dynrefine.config.surfaces.base import SurfaceSettings


class DescriptorSettings(SurfaceSettings):
    cutoff: PositiveFloat = Field(5.0, description="Distance beyond which atoms do not see each other, Å.")
    radial_functions: PositiveInt = Field(8, description="Number of radial Gaussians.")
    angular_momentum: int = Field(
        2, ge=0, le=4, description="Largest angular momentum l of the orbitals that make up the density."
    )
    mixed_orbitals: NonNegativeInt = Field(
        0,
        description="Number of linear combinations of the orbitals of each l, trained for each element, whose "
        "squares are the densities; 0: the squares of the orbitals themselves.",
    )
    triple_products: NonNegativeInt = Field(
        0,
        description="Number of triple products of each of three kinds, made of vectors and tensors mixed from the "
        "orbitals of l = 1 and 2, in addition to the densities; they need angular_momentum 2.",
    )
    hidden_layers: Layers = Field([32, 32], description="Neurons in each hidden layer of the network.")


class EmbeddedAtomSettings(DescriptorSettings):
    kind: Literal["eann"] = Field(
        "eann", description="Kind of potential (eann: embedded-atom neural network, trained on the data set)."
    )
    repulsion_strength: NonNegativeFloat = Field(
        3000.0,
        description="Energy at contact of a repulsion that acts only at distances below those of the training data, "
        "eV.",
    )


class DipoleSettings(DescriptorSettings):
    kind: Literal["dipole"] = Field(
        "dipole", description="Kind of dipole surface (dipole: formal charges and embedded-atom vectors)."
    )


class PolarizabilitySettings(DescriptorSettings):
    kind: Literal["polarizability"] = Field(
        "polarizability",
        description="Kind of polarizability surface (polarizability: embedded-atom tensors).",
    )
    angular_momentum: int = Field(
        2, ge=2, le=4, description="Largest angular momentum l of the orbitals, at least 2."
    )
