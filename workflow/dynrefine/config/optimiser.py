"""Settings of the optimiser and of its steps."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from dynrefine.config.base import NonNegativeFloat, PositiveFloat, PositiveInt, Section, TrainableSettings
from dynrefine.config.surfaces import SurfaceName


class StopSettings(Section):
    patience: PositiveInt = Field(
        10, description="Iterations without a better objective after which the refinement has converged."
    )
    tolerance: NonNegativeFloat = Field(
        0.0, description="Fraction by which the objective must fall to count as better, pure number."
    )


class RowSettings(TrainableSettings):
    parameter_scales: dict[str, PositiveFloat] = Field(
        {},
        description="For potentials whose parameters have names: the change of each parameter that counts as one "
        "unit in the steps of adam and sgd and in the norm of the gradient, in the parameter's unit (Å, eV); "
        "others: 1.",
        examples=[{}],
    )
    outlier_limit: float = Field(
        5.0,
        ge=1.0,
        description="Largest length of the gradient of a single trajectory, in multiples of the median length; "
        "longer ones are shortened to it. Chaos makes a few of them thousands of times longer than the others.",
    )


class ProbeSettings(Section):
    probes: PositiveInt = Field(
        1000,
        description="Number of random projections of the forces, or of what a surface predicts, that make up the "
        "metric.",
    )


class DampingSettings(Section):
    damping: PositiveFloat = Field(
        0.1, description="Damping of the metric, in units of its mean diagonal element, pure number."
    )


class RefinedSurfaceSettings(TrainableSettings, ProbeSettings):
    change: PositiveFloat = Field(
        0.5,
        description="Longest natural gradient step: root mean square change of what the surface predicts on its "
        "training frames, in % of the spread of their labels.",
    )
    held_at: Literal["labels", "beginning"] = Field(
        "labels",
        description="What the surface is tied to: the labels of its training frames, or its own predictions for them "
        "before the refinement (beginning), which suits a surface that knows more than a few frames can tell.",
    )
    anchor_weight: NonNegativeFloat = Field(
        10.0,
        description="Weight in the objective of the surface's mean square deviation from that, over the variance of "
        "the labels, pure number.",
    )


def _without_null(surfaces: Any) -> Any:
    """The refined surfaces without those that a configuration on top sets to null."""
    if not isinstance(surfaces, dict):
        return surfaces
    return {name: settings for name, settings in surfaces.items() if settings is not None}


class StepSettings(RowSettings, DampingSettings):
    name: Literal["natural", "adam", "sgd"] = Field(
        "natural",
        description="natural: natural gradient in the metric of the forces on the ab initio frames; adam, sgd: "
        "optimisers of Optax.",
    )
    force_change: PositiveFloat = Field(
        5.0,
        description="Longest natural gradient step: root mean square change of the force components on the ab initio "
        "frames, meV/Å. With shrink_noise it is multiplied by the share of the gradient that is not noise.",
    )
    surfaces: Annotated[
        dict[SurfaceName, RefinedSurfaceSettings],
        BeforeValidator(
            _without_null, json_schema_input_type=dict[SurfaceName, RefinedSurfaceSettings | None]
        ),
    ] = Field(
        {},
        description="Surfaces refined with the potential, by name, such as the dipole surface, which decides the "
        "intensities of an infrared spectrum. Each takes natural gradient steps of its own. null: not refined.",
    )
    momentum: float = Field(
        0.5,
        ge=0.0,
        lt=1.0,
        description="Share of earlier gradients in each step of adam (its β₁), pure number.",
    )
    learning_rate: PositiveFloat = Field(5e-5, description="Learning rate of adam and sgd, pure number.")
    learning_rate_decay: float = Field(
        1.0,
        gt=0.0,
        le=1.0,
        description="Factor on the learning rate, or on force_change, from one iteration to the next, pure number.",
    )
    clip_norm: PositiveFloat = Field(
        1.0, description="Norm to which adam and sgd shorten larger gradients, in units of the objective."
    )
    shrink_noise: bool = Field(
        True,
        description="Multiply the sum of the gradient's trajectory and ensemble parts, or a natural gradient step, "
        "by the share of that sum that stands out of its statistical error (James-Stein).",
    )
    stop: StopSettings = Field(
        StopSettings(),
        description="When the refinement counts as converged; later iterations change nothing.",
    )


class AveragingSettings(Section):
    averaged: PositiveInt = Field(
        1,
        description="Number of last iterations over which the refined potential is averaged. Where steps go to and "
        "fro across an optimum, the mean is closer to it than any of them. 1: the result of the last step.",
    )


class OptimiserSettings(ProbeSettings, StepSettings, AveragingSettings):
    iterations: int = Field(
        5, ge=1, le=1000, description="Iterations of the refinement; raising it only adds the new ones."
    )
