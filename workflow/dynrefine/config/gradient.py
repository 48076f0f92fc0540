"""Settings of the gradient, of its pilot and of its check."""

from typing import Literal

from pydantic import Field

from dynrefine.config.base import PositiveFloat, PositiveInt, Section


class ShortCheckSettings(Section):
    replicas: PositiveInt = Field(4, description="Starting points of the check.")
    steps: PositiveInt = Field(40, description="Time steps in each direction of time.")
    parameters: PositiveInt = Field(
        6, description="Number of parameters that are displaced; the others are not checked."
    )
    displacement: PositiveFloat = Field(
        1e-4, description="Displacement of a parameter in the central difference, pure number."
    )


class GradientCheckSettings(ShortCheckSettings):
    total_derivative: dict[str, PositiveFloat] = Field(
        {},
        description="For potentials whose parameters have names: displacement of each parameter, in its unit (Å, "
        "eV). Independent ensembles are simulated on both sides of it, as in the validation, and the change of each "
        "observable's loss is compared with its gradient in the first iteration. Each parameter takes two more "
        "validations.",
        examples=[{}],
    )


class PilotSettings(Section):
    replicas: int = Field(16, ge=2, description="Starting points of the pilot, taken from the first chunk.")
    depths: int = Field(6, ge=2, description="Number of depths to try.")
    shortest: PositiveFloat = Field(
        20.0, description="Shortest depth, fs; the longest is the trajectory's length."
    )
    threshold: PositiveFloat = Field(
        1.0, description="Signal-to-noise ratio that the gradient of the pilot must reach, pure number."
    )


class ReversalSettings(Section):
    reversal_tolerance: PositiveFloat = Field(
        1e-2,
        description="Largest distance allowed between an atom of a reversed trajectory and its stored start, Å.",
    )


class LocalitySettings(Section):
    locality: PositiveFloat | None = Field(
        None,
        description="Distance, Å, beyond which the energy of an atom counts as independent of what other atoms "
        "contribute to a correlation function. This removes the noise of atoms far apart from the ensemble part of "
        "the gradient. It must be larger than the range of the liquid's structure and than the distance sound "
        "travels in trajectory.length. null: no limit.",
    )


class FollowingSettings(ReversalSettings):
    depth: PositiveFloat | Literal["auto"] = Field(
        200.0,
        description="How far back in time the adjoint is followed, fs; at most the trajectory's length. auto: as far "
        "as the gradient stands out of its noise in a pilot.",
    )
    replicas: PositiveInt | None = Field(
        None,
        description="Starting points of each chunk whose trajectories the adjoint follows. The others enter only the "
        "ensemble part of the gradient, which costs less. null: all.",
    )


class GradientSettings(FollowingSettings, LocalitySettings):
    horizon: PilotSettings = Field(
        PilotSettings(), description="Pilot that follows the gradient to several depths."
    )
    check: GradientCheckSettings = Field(
        GradientCheckSettings(),
        description="Check of the adjoint gradient against backpropagation and finite differences.",
    )
