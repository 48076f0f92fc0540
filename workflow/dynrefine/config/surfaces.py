"""Settings of the potential energy surface, the dipole surface and their training."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Discriminator, Field, SerializeAsAny, Tag, TypeAdapter

from dynrefine.config.base import (
    Layers,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Section,
)
from dynrefine.config.data import Checksum, DatasetSettings
from dynrefine.registry import settings_class


class SurfaceSettings(Section):
    """What every surface says of itself.

    A potential is `trained` on the data set of the campaign or begins with the parameters of its settings, may know
    `mixtures` of elements, and its `parameters` may be single numbers with names: these, with their units.
    """

    trained: ClassVar[bool] = True
    mixtures: ClassVar[bool] = True
    parameters: ClassVar[Mapping[str, str]] = {}

    kind: str = Field(description="Kind of surface.")
    cutoff: PositiveFloat = Field(description="Distance beyond which atoms do not see each other, Å.")


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


class LennardJonesSettings(SurfaceSettings):
    trained: ClassVar[bool] = False
    mixtures: ClassVar[bool] = False
    parameters: ClassVar[Mapping[str, str]] = {"sigma": "Å", "epsilon": "eV"}

    kind: Literal["lennard_jones"] = Field(
        description="Kind of potential (lennard_jones: 12-6 potential of one element, without a data set).",
        examples=["lennard_jones"],
    )
    sigma: PositiveFloat = Field(
        description="Where the pair energy is zero, at the start, Å.", examples=[3.4]
    )
    epsilon: PositiveFloat = Field(
        description="Depth of the pair energy at the start, kJ/mol.", examples=[0.998]
    )
    cutoff: PositiveFloat = Field(10.0, description="Distance beyond which atoms do not see each other, Å.")
    truncation: Literal["truncated", "shifted", "force_shifted", "switched"] = Field(
        "switched",
        description="What happens at the cutoff (truncated: the energy jumps; shifted: no jump of the energy; "
        "force_shifted: none of the force either; switched: both fall to zero smoothly).",
    )
    switching_width: PositiveFloat = Field(
        1.0, description="Distance over which the energy is switched to zero before the cutoff, Å."
    )
    tail_correction: bool = Field(
        True, description="Add what the cutoff takes away, for a uniform liquid, to energy and pressure."
    )


class FoundationFile(Section):
    path: str = Field(
        description="Path of a file of a trained network, in the format of its package.",
        examples=["resources/foundation.nqx"],
    )
    sha256: Checksum = Field(description="Its SHA-256, 64 hexadecimal digits.", examples=["0" * 64])


class NequixSettings(SurfaceSettings):
    kind: Literal["nequix"] = Field(
        description="Kind of potential (nequix: equivariant network that passes messages between atoms, of the "
        "package nequix, trained on the data set).",
        examples=["nequix"],
    )
    cutoff: PositiveFloat = Field(
        5.0, description="Distance beyond which atoms send each other no messages, Å."
    )
    features: str = Field(
        "32x0e + 32x1o + 16x2e",
        pattern=r"^\d+x0e( *\+ *\d+x\d[eo])*$",
        description="Features of an atom: how many of each irreducible representation, in the notation of e3nn, the "
        "scalars first.",
    )
    angular_momentum: int = Field(
        2, ge=0, le=4, description="Largest angular momentum l of the spherical harmonics of edges."
    )
    layers: PositiveInt = Field(3, description="Rounds of messages; an atom sees as many cutoffs far.")
    radial_functions: PositiveInt = Field(8, description="Number of radial Bessel functions.")
    radial_width: PositiveInt = Field(
        64, description="Neurons in each hidden layer of the networks of the distance."
    )
    radial_layers: PositiveInt = Field(2, description="Hidden layers of the networks of the distance.")
    envelope_power: float = Field(
        6.0, ge=2.0, description="Power p of the polynomial that takes messages to zero at the cutoff."
    )
    initial_scale: PositiveFloat = Field(
        4.0, description="Variance of the first weights of the networks of the distance, times their inputs."
    )
    element_weights: bool = Field(
        True, description="Give each element weights of its own where features pass a round unmixed."
    )
    layer_norm: bool = Field(False, description="Normalise the features after each round of messages.")
    known_elements: list[str] | None = Field(
        None,
        description="Chemical symbols of all elements that the network knows, those of its foundation; null: those "
        "of the campaign.",
    )
    foundation: FoundationFile | None = Field(
        None, description="Network that the training begins with; null: a random one.", examples=[None]
    )


OUTSIDE = "the dotted name of a module outside the library"


def _kind(values: Any) -> str:
    kind = values.get("kind", "eann") if isinstance(values, dict) else getattr(values, "kind", "eann")
    return OUTSIDE if "." in str(kind) else str(kind)


def _with_own_settings(values: Any) -> Any:
    """The settings of a surface outside the library, as their own class reads them."""
    if isinstance(values, SurfaceSettings):
        return values
    return settings_class("surfaces", values["kind"]).model_validate(values)


SurfaceOutside = Annotated[SerializeAsAny[SurfaceSettings], BeforeValidator(_with_own_settings), Tag(OUTSIDE)]
PotentialSettings = Annotated[
    Annotated[EmbeddedAtomSettings, Tag("eann")]
    | Annotated[LennardJonesSettings, Tag("lennard_jones")]
    | Annotated[NequixSettings, Tag("nequix")]
    | SurfaceOutside,
    Discriminator(_kind),
]


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


class TrainingSettings(Section):
    epochs: PositiveInt = Field(400, description="Passes through the training frames.")
    batch_size: PositiveInt = Field(4, description="Frames in one optimiser step.")
    optimiser: Literal["adam", "soap"] = Field(
        "adam",
        description="How steps follow from gradients (adam: each parameter scaled by itself; soap: in the eigenbasis "
        "of the gradient's second moments, layer by layer, which takes a fraction of the epochs).",
    )
    learning_rate: PositiveFloat = Field(2e-3, description="Learning rate at the start, pure number.")
    final_learning_rate: PositiveFloat = Field(
        2e-5, description="Learning rate the schedule falls to, pure number."
    )
    patience: PositiveInt = Field(
        100, description="Epochs without a better validation error after which the training stops."
    )
    checkpoint_interval: PositiveInt = Field(
        20, description="Epochs between two checkpoints, from which a killed training goes on."
    )


class PotentialTrainingSettings(TrainingSettings):
    energy_weight: NonNegativeFloat = Field(1.0, description="Weight of the energies per atom, (eV/atom)⁻².")
    force_weight: NonNegativeFloat = Field(1.0, description="Weight of the forces, (eV/Å)⁻².")
    stress_weight: NonNegativeFloat = Field(0.0, description="Weight of the virials per atom, (eV/atom)⁻².")


OtherSurface = Annotated[
    Annotated[DipoleSettings, Tag("dipole")]
    | Annotated[PolarizabilitySettings, Tag("polarizability")]
    | SurfaceOutside,
    Discriminator(_kind),
]


def surface_settings(values: Mapping[str, Any]) -> SurfaceSettings:
    """The settings of a surface of any kind, as a file of a model holds them."""
    return TypeAdapter(PotentialSettings | OtherSurface).validate_python(dict(values))


class TrainedSurface(Section):
    name: str = Field(
        pattern=r"^[a-z][a-z0-9_]*$",
        description="Name by which quantities know the surface; one called dipole replaces that of section dipole.",
        examples=["dipole"],
    )
    surface: OtherSurface = Field(
        description="Kind of the surface, the dotted name of a module for one outside the library, and its settings."
    )
    training: TrainingSettings = Field(
        TrainingSettings(), description="Training of the surface on the frames."
    )
    task: str | None = Field(
        None,
        description="What it is fitted to: a module of dynrefine.training, or the dotted name of another; null: that "
        "of the name.",
    )
    dataset: DatasetSettings | None = Field(
        None, description="Ab initio frames of its own; null: those of the campaign."
    )
