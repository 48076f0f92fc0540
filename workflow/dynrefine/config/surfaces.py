"""Settings of the potential energy surface, the dipole surface and their training."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Discriminator, Field, SerializeAsAny, Tag, TypeAdapter, model_validator

from dynrefine.config.base import (
    Layers,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Repeats,
    Section,
    TrainableSettings,
)
from dynrefine.config.data import Checksum, DatasetSettings, Element, GivenModel
from dynrefine.registry import settings_class

KILOCALORIE = 4.184  # kJ


class SurfaceSettings(Section):
    """What every surface says of itself.

    A potential is `trained` on the data set of the campaign or begins with the parameters of its settings, may know
    `mixtures` of elements, or certain ones alone (`symbols`), and may be other surfaces too (`serves_as`).
    """

    trained: ClassVar[bool] = True
    mixtures: ClassVar[bool] = True
    symbols: ClassVar[tuple[str, ...] | None] = None
    serves_as: ClassVar[tuple[str, ...]] = ()

    kind: str = Field(description="Kind of surface.")
    cutoff: PositiveFloat = Field(description="Distance beyond which atoms do not see each other, Å.")
    file: GivenModel | None = Field(
        None,
        description="NPZ that the parameters are taken from as they are, a path or {url, sha256}, instead of a "
        "training; a campaign or an export made it with these settings and elements; null: none.",
        examples=[None],
    )

    @property
    def is_trained(self) -> bool:
        """Whether the campaign trains it."""
        return self.trained and self.file is None

    @property
    def parameters(self) -> Mapping[str, str]:
        """The parameters that are single numbers with names, with their units."""
        return {}

    @property
    def molecule(self) -> Sequence[tuple[str, tuple[float, float, float]]] | None:
        """Symbols and places (Å) of the atoms that sampling begins with, many times; none: single atoms."""
        return None


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


class LennardJonesPairs(SurfaceSettings):
    """How a Lennard-Jones energy ends at the cutoff."""

    trained: ClassVar[bool] = False

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


class LennardJonesSettings(LennardJonesPairs):
    mixtures: ClassVar[bool] = False

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

    @property
    def parameters(self) -> Mapping[str, str]:
        """Of the pair energy."""
        return {"sigma": "Å", "epsilon": "eV"}


# Lengths in Å, energies in kJ/mol, angles in degrees, charges in e.
WATER_MODELS: Mapping[str, Mapping[str, float]] = {
    # Wu, Tepper, Voth, J. Chem. Phys. 124, 024503 (2006)
    "spc_fw": {
        "sigma": 3.165492,
        "epsilon": 0.1554253 * KILOCALORIE,
        "charge_H": 0.41,
        "gamma": 1.0,
        "bond_length": 1.012,
        "bond_constant": 1059.162 * KILOCALORIE,
        "bond_anharmonicity": 0.0,
        "angle": 113.24,
        "angle_constant": 75.90 * KILOCALORIE,
    },
    # Habershon, Markland, Manolopoulos, J. Chem. Phys. 131, 024501 (2009): D = 116.09 kcal/mol, α = 2.287 1/Å
    "q_tip4p_f": {
        "sigma": 3.1589,
        "epsilon": 0.1852 * KILOCALORIE,
        "charge_H": 0.5564,
        "gamma": 0.73612,
        "bond_length": 0.9419,
        "bond_constant": 2.0 * 116.09 * 2.287**2 * KILOCALORIE,
        "bond_anharmonicity": 2.287,
        "angle": 107.4,
        "angle_constant": 87.85 * KILOCALORIE,
    },
}


_SPC_FW = WATER_MODELS["spc_fw"]


class FlexibleWaterSettings(LennardJonesPairs):
    symbols: ClassVar[tuple[str, ...] | None] = ("O", "H")
    serves_as: ClassVar[tuple[str, ...]] = ("dipole",)

    kind: Literal["flexible_water"] = Field(
        description="Kind of potential (flexible_water: point charges, Lennard-Jones between oxygens, bonds and "
        "angles, without a data set).",
        examples=["flexible_water"],
    )
    model: Literal["spc_fw", "q_tip4p_f"] = Field(
        "spc_fw", description="Published model whose parameters are taken where they are not given."
    )
    sigma: PositiveFloat = Field(
        _SPC_FW["sigma"],
        description="Distance of oxygens at which their Lennard-Jones energy is zero, at the start, Å.",
    )
    epsilon: PositiveFloat = Field(
        _SPC_FW["epsilon"], description="Depth of that energy at the start, kJ/mol."
    )
    charge_H: PositiveFloat = Field(
        _SPC_FW["charge_H"],
        description="Charge of a hydrogen at the start, e; the oxygen has minus twice as much.",
    )
    gamma: Annotated[float, Field(gt=0.6, le=1.0)] = Field(
        _SPC_FW["gamma"],
        description="Where the oxygen's charge is, pure number: γ r_O + (1 - γ)/2 (r_H + r_H'); 1: on the oxygen, "
        "where it stays in the refinement.",
    )
    bond_length: PositiveFloat = Field(
        _SPC_FW["bond_length"], description="Length r₀ of a bond without strain at the start, Å."
    )
    bond_constant: PositiveFloat = Field(
        _SPC_FW["bond_constant"],
        description="Force constant k of a bond at the start, kJ/(mol Å²): k/2 (Δ² - aΔ³ + 7/12 a²Δ⁴) with "
        "Δ = r - r₀.",
    )
    bond_anharmonicity: NonNegativeFloat = Field(
        _SPC_FW["bond_anharmonicity"],
        description="The a in it at the start, 1/Å; 0: a harmonic bond, which it stays in the refinement.",
    )
    angle: Annotated[float, Field(gt=0.0, lt=180.0)] = Field(
        _SPC_FW["angle"],
        description="Angle θ₀ of a molecule without strain at the start, degrees; as a parameter in rad.",
    )
    angle_constant: PositiveFloat = Field(
        _SPC_FW["angle_constant"],
        description="Force constant k of the angle at the start, kJ/(mol rad²): k/2 (θ - θ₀)².",
    )
    cutoff: PositiveFloat = Field(9.0, description="Distance beyond which sites do not see each other, Å.")
    electrostatics: Literal["damped_shifted_force", "ewald"] = Field(
        "damped_shifted_force",
        description="How charges act beyond the cutoff (damped_shifted_force: each is neutralised on the sphere, by "
        "Fennell & Gezelter, cheap; ewald: all periodic images, in a conductor).",
    )
    damping: NonNegativeFloat | None = Field(
        None,
        description="Damping α of the Coulomb energy within the cutoff, 1/Å; null: 0.2, and 3.2 over the cutoff with "
        "ewald.",
    )
    reciprocal_vectors: Repeats = Field(
        [8, 8, 8],
        description="Multiples of each reciprocal cell vector up to which the waves of ewald are summed.",
    )

    @model_validator(mode="before")
    @classmethod
    def _of_model(cls, values: Any) -> Any:
        """What is not given is that of the model."""
        return (
            {**WATER_MODELS.get(str(values.get("model")), {}), **values}
            if isinstance(values, dict)
            else values
        )

    @property
    def parameters(self) -> Mapping[str, str]:
        """Those that are refined."""
        units = {
            "sigma": "Å",
            "epsilon": "eV",
            "charge_H": "e",
            "bond_length": "Å",
            "bond_constant": "eV/Å²",
            "angle": "rad",
            "angle_constant": "eV/rad²",
        }
        anharmonic = {"bond_anharmonicity": "1/Å"} if self.bond_anharmonicity else {}
        return units | anharmonic | ({"gamma": "1"} if self.gamma < 1.0 else {})

    @property
    def alpha(self) -> float:
        """The damping of the Coulomb energy, 1/Å."""
        if self.damping is not None:
            return self.damping
        return 0.2 if self.electrostatics == "damped_shifted_force" else 3.2 / self.cutoff

    @property
    def molecule(self) -> Sequence[tuple[str, tuple[float, float, float]]]:
        """A molecule without strain."""
        half = math.radians(0.5 * self.angle)
        across, along = self.bond_length * math.sin(half), self.bond_length * math.cos(half)
        return [("O", (0.0, 0.0, 0.0)), ("H", (across, 0.0, along)), ("H", (-across, 0.0, along))]


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
        None,
        description="File of the package (.nqx) whose network the training begins with; null: a random one. With "
        "file, which is instead of a training, only a record of how that was made.",
        examples=[None],
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
    | Annotated[FlexibleWaterSettings, Tag("flexible_water")]
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


class TrainingSettings(TrainableSettings):
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


def description(settings: SurfaceSettings, elements: Sequence[Element]) -> dict[str, Any]:
    """What the file of a model says of the configuration that made it."""
    own = settings.model_dump(exclude={"file"})
    return {**own, "elements": [element.model_dump() for element in elements]}


def differences(
    found: Mapping[str, Any], settings: SurfaceSettings, elements: Sequence[Element]
) -> Iterator[str]:
    """What the file of a model says otherwise than the configuration: "cutoff is 5 in the file and 6 in ..."."""
    for name, value in description(settings, elements).items():
        if found.get(name) != value:
            yield f"{name} is {found.get(name)} in the file and {value} in the configuration"


def surface_settings(values: Mapping[str, Any]) -> SurfaceSettings:
    """The settings of a surface of any kind, as a file of a model holds them."""
    return TypeAdapter(PotentialSettings | OtherSurface).validate_python(dict(values))


SurfaceName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class TrainedSurface(Section):
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
