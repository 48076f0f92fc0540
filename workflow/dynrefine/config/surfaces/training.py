"""Settings of the training of surfaces."""

from typing import Literal

from pydantic import Field

from dynrefine.config.base import NonNegativeFloat, PositiveFloat, PositiveInt, TrainableSettings


class TrainingSettings(TrainableSettings):
    epochs: PositiveInt = Field(400, description="Passes through the training frames.")
    batch_size: PositiveInt = Field(4, description="Frames in one optimiser step.")
    optimiser: Literal["adam", "soap"] = Field(
        "adam",
        description="How steps follow from gradients (adam: each parameter scaled by itself; soap: Adam in the "
        "eigenbasis of the gradient's second moments, layer by layer, which takes a fraction of the epochs).",
    )
    learning_rate: PositiveFloat = Field(2e-3, description="Initial learning rate, pure number.")
    final_learning_rate: PositiveFloat = Field(
        2e-5, description="Learning rate at the end of the schedule, pure number."
    )
    patience: PositiveInt = Field(
        100, description="Epochs without a better validation error after which the training stops."
    )
    checkpoint_interval: PositiveInt = Field(
        20, description="Epochs between two checkpoints, from which an interrupted training resumes."
    )


class PotentialTrainingSettings(TrainingSettings):
    energy_weight: NonNegativeFloat = Field(1.0, description="Weight of the energies per atom, (eV/atom)⁻².")
    force_weight: NonNegativeFloat = Field(1.0, description="Weight of the forces, (eV/Å)⁻².")
    stress_weight: NonNegativeFloat = Field(0.0, description="Weight of the virials per atom, (eV/atom)⁻².")
