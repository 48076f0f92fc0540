"""Settings of classical models of flexible water."""

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from dynrefine.config.base import NonNegativeFloat, PositiveFloat, Repeats
from dynrefine.config.surfaces.lennard_jones import LennardJonesPairs

KILOCALORIE = 4.184  # kJ
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


def waves_per_length(alpha: float, cutoff: float) -> float:
    """Waves per width of the cell, 1/Å, needed to match the error of the cutoff (Å) in real space."""
    return alpha**2 * cutoff / math.pi


class FlexibleWaterSettings(LennardJonesPairs):
    symbols: ClassVar[tuple[str, ...] | None] = ("O", "H")
    serves_as: ClassVar[tuple[str, ...]] = ("dipole",)

    kind: Literal["flexible_water"] = Field(
        description="Kind of potential (flexible_water: point charges, Lennard-Jones between oxygens, bonds and "
        "angles; needs no data set).",
        examples=["flexible_water"],
    )
    model: Literal["spc_fw", "q_tip4p_f"] = Field(
        "spc_fw", description="Published model that supplies the parameters not given here."
    )
    sigma: PositiveFloat = Field(
        _SPC_FW["sigma"],
        description="Initial distance of two oxygens at which their Lennard-Jones energy is zero, Å.",
    )
    epsilon: PositiveFloat = Field(_SPC_FW["epsilon"], description="Initial depth of that energy, kJ/mol.")
    charge_H: PositiveFloat = Field(
        _SPC_FW["charge_H"],
        description="Initial charge of a hydrogen, e; the oxygen has minus twice as much.",
    )
    gamma: Annotated[float, Field(gt=0.6, le=1.0)] = Field(
        _SPC_FW["gamma"],
        description="Initial position of the oxygen's charge, pure number: γ r_O + (1 - γ)/2 (r_H + r_H'); 1: on the "
        "oxygen, where it stays in the refinement.",
    )
    bond_length: PositiveFloat = Field(
        _SPC_FW["bond_length"], description="Initial length r₀ of an unstrained bond, Å."
    )
    bond_constant: PositiveFloat = Field(
        _SPC_FW["bond_constant"],
        description="Initial force constant k of a bond, kJ/(mol Å²): k/2 (Δ² - aΔ³ + 7/12 a²Δ⁴) with Δ = r - r₀.",
    )
    bond_anharmonicity: NonNegativeFloat = Field(
        _SPC_FW["bond_anharmonicity"],
        description="Initial anharmonicity a of a bond, 1/Å; 0: the bond is harmonic and stays so in the refinement.",
    )
    angle: Annotated[float, Field(gt=0.0, lt=180.0)] = Field(
        _SPC_FW["angle"],
        description="Initial angle θ₀ of an unstrained molecule, degrees; the refined parameter is in rad.",
    )
    angle_constant: PositiveFloat = Field(
        _SPC_FW["angle_constant"],
        description="Initial force constant k of the angle, kJ/(mol rad²): k/2 (θ - θ₀)².",
    )
    cutoff: PositiveFloat = Field(9.0, description="Distance beyond which sites do not see each other, Å.")
    electrostatics: Literal["damped_shifted_force", "ewald"] = Field(
        "damped_shifted_force",
        description="How charges act beyond the cutoff (damped_shifted_force: each charge is neutralised on the "
        "sphere of the cutoff, Fennell & Gezelter, cheap; ewald: all periodic images, surrounded by a conductor).",
    )
    damping: NonNegativeFloat | None = Field(
        None,
        description="Damping α of the Coulomb energy within the cutoff, 1/Å; null: 0.2, or 3.2 over the cutoff with "
        "ewald.",
    )
    reciprocal_vectors: Repeats = Field(
        [8, 8, 8],
        description="Highest multiples of the three reciprocal cell vectors in the sum of ewald.",
    )

    @model_validator(mode="before")
    @classmethod
    def _of_model(cls, values: Any) -> Any:
        """Take what is not given from the model."""
        return (
            {**WATER_MODELS.get(str(values.get("model")), {}), **values}
            if isinstance(values, dict)
            else values
        )

    @property
    def parameters(self) -> Mapping[str, str]:
        """The parameters that are refined."""
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
        """An unstrained molecule."""
        half = math.radians(0.5 * self.angle)
        across, along = self.bond_length * math.sin(half), self.bond_length * math.cos(half)
        return [("O", (0.0, 0.0, 0.0)), ("H", (across, 0.0, along)), ("H", (-across, 0.0, along))]
