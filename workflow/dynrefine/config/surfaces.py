"""Settings of the potential energy surface, the dipole surface and their training."""

from typing import Literal

from pydantic import Field

from dynrefine.config.base import Layers, NonNegativeFloat, PositiveFloat, PositiveInt, Section


class Descriptor(Section):
    cutoff: PositiveFloat = Field(5.0, description="Distance beyond which atoms do not see each other, Å.")
    radial_functions: PositiveInt = Field(8, description="Number of radial Gaussians.")
    angular_momentum: int = Field(
        2, ge=0, le=4, description="Largest angular momentum l of the orbitals the density is made of."
    )
    hidden_layers: Layers = Field([32, 32], description="Neurons in each hidden layer of the network.")


class Potential(Descriptor):
    kind: Literal["eann"] = Field(
        "eann", description="Kind of potential (eann: embedded-atom neural network)."
    )
    repulsion_strength: NonNegativeFloat = Field(
        3000.0,
        description="Energy at contact of the repulsion that acts only where the training data end, eV.",
    )


class Dipole(Descriptor):
    kind: Literal["dipole"] = Field(
        "dipole", description="Kind of dipole surface (dipole: formal charges and embedded-atom vectors)."
    )


class DipoleTraining(Section):
    epochs: PositiveInt = Field(400, description="Passes through the training frames.")
    batch_size: PositiveInt = Field(4, description="Frames in one optimiser step.")
    learning_rate: PositiveFloat = Field(2e-3, description="Adam's learning rate at the start, pure number.")
    final_learning_rate: PositiveFloat = Field(
        2e-5, description="Learning rate the schedule falls to, pure number."
    )
    patience: PositiveInt = Field(
        100, description="Epochs without a better validation error after which the training stops."
    )
    checkpoint_interval: PositiveInt = Field(
        20, description="Epochs between two checkpoints, from which a killed training goes on."
    )


class Training(DipoleTraining):
    energy_weight: NonNegativeFloat = Field(1.0, description="Weight of the energies per atom, (eV/atom)⁻².")
    force_weight: NonNegativeFloat = Field(1.0, description="Weight of the forces, (eV/Å)⁻².")
    stress_weight: NonNegativeFloat = Field(0.0, description="Weight of the virials per atom, (eV/atom)⁻².")
