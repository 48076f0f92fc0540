"""Settings of the gradient, of its pilot and of its check."""

from typing import Literal

from pydantic import Field

from dynrefine.config.base import PositiveFloat, PositiveInt, Section


class ShortCheckSettings(Section):
    replicas: PositiveInt = Field(4, description="Starting points of the check.")
    steps: PositiveInt = Field(40, description="Time steps each way in time.")
    parameters: PositiveInt = Field(6, description="Parameters that are displaced, the rest is not checked.")
    displacement: PositiveFloat = Field(
        1e-4, description="Displacement of a parameter in the central difference, pure number."
    )


class GradientCheckSettings(ShortCheckSettings):
    total_derivative: dict[str, PositiveFloat] = Field(
        {},
        description="For potentials whose parameters have names: displacement of each, in its unit (Å, eV), to both "
        "sides of which independent ensembles are simulated as in the validation, to compare the change of "
        "each observable's loss with its gradient in the first iteration. Each parameter takes two more validations.",
        examples=[{}],
    )


class PilotSettings(Section):
    replicas: int = Field(16, ge=2, description="Starting points of the pilot, of the first chunk.")
    depths: int = Field(6, ge=2, description="How many depths are tried.")
    shortest: PositiveFloat = Field(
        20.0, description="Shortest depth, fs; the longest is the trajectory's length."
    )
    threshold: PositiveFloat = Field(
        1.0, description="Signal to noise that the gradient of the pilot must reach, pure number."
    )


class ReversalSettings(Section):
    reversal_tolerance: PositiveFloat = Field(
        1e-2, description="Largest distance of an atom of a reversed trajectory from its stored start, Å."
    )


class LocalitySettings(Section):
    locality: PositiveFloat | None = Field(
        None,
        description="Distance from which on the energy of an atom counts as independent of what others contribute to "
        "a correlation function, Å: the ensemble part of the gradient is then without the noise of atoms far apart. "
        "It has to be longer than structure reaches and than sound goes in trajectory.length. null: no distance is "
        "too far.",
    )


class FollowingSettings(ReversalSettings):
    depth: PositiveFloat | Literal["auto"] = Field(
        200.0,
        description="How far back in time the adjoint is followed, fs; at most the trajectory's length. auto: as "
        "far as a pilot finds the gradient to stand out of its noise.",
    )
    replicas: PositiveInt | None = Field(
        None,
        description="Starting points of each chunk whose trajectories the adjoint follows; the others enter the "
        "ensemble part of the gradient, which costs less. null: all.",
    )


class GradientSettings(FollowingSettings, LocalitySettings):
    horizon: PilotSettings = Field(
        PilotSettings(), description="The pilot that follows the gradient to several depths."
    )
    check: GradientCheckSettings = Field(
        GradientCheckSettings(),
        description="Check of the adjoint gradient against backpropagation and finite differences.",
    )
