"""Settings of networks of embedded atoms: potential, dipole and polarizability."""

from typing import Literal

from pydantic import Field

from dynrefine.config.base import Layers, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from dynrefine.config.surfaces.base import SurfaceSettings


class DescriptorSettings(SurfaceSettings):
    cutoff: PositiveFloat = Field(5.0, description="Distance beyond which atoms do not see each other, Å.")
    radial_functions: PositiveInt = Field(8, description="Number of radial Gaussians.")
    angular_momentum: int = Field(
        2, ge=0, le=4, description="Largest angular momentum l of the orbitals the density is made of."
    )
    mixed_orbitals: NonNegativeInt = Field(
        0,
        description="Linear combinations of the orbitals of each l, trained for each element, whose squares are the "
        "densities; 0: the squares of the orbitals themselves.",
    )
    triple_products: NonNegativeInt = Field(
        0,
        description="Products of each of three kinds, of vectors and tensors mixed of the orbitals of l = 1 and 2, "
        "beside the densities; they need angular_momentum 2.",
    )
    hidden_layers: Layers = Field([32, 32], description="Neurons in each hidden layer of the network.")


class EmbeddedAtomSettings(DescriptorSettings):
    kind: Literal["eann"] = Field(
        "eann", description="Kind of potential (eann: embedded-atom neural network, trained on the data set)."
    )
    repulsion_strength: NonNegativeFloat = Field(
        3000.0,
        description="Energy at contact of the repulsion that acts only where the training data end, eV.",
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
        2, ge=2, le=4, description="Largest angular momentum l of the orbitals, 2 at least."
    )
