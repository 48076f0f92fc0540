"""The configuration as a whole."""

from typing import Literal

from pydantic import Field

from dynrefine.config.base import Section
from dynrefine.config.data import WATER, Campaign, Dataset, Element, Labelling
from dynrefine.config.dynamics import Ensemble, Sampling, State, Trajectory, Validation, state_labels
from dynrefine.config.refinement import Gradient, Objective, Optimiser
from dynrefine.config.surfaces import Dipole, DipoleTraining, EmbeddedAtomPotential, Potential, Training


class Config(Section):
    """Configuration of a dynrefine campaign."""

    campaign: Campaign = Field(description="What the campaign is called and where its random numbers begin.")
    elements: list[Element] = Field(
        list(WATER), min_length=1, description="The elements; their order numbers the species in all files."
    )
    precision: Literal["float32", "float64"] = Field(
        "float32", description="Precision of the numbers in simulations and gradients."
    )
    dataset: Dataset | None = Field(
        None,
        description="Ab initio frames the surfaces are trained on; none where the potential is not trained.",
        examples=[{}],
    )
    labelling: Labelling = Field(
        Labelling(), description="Electronic-structure calculation of further frames."
    )
    potential: Potential = Field(EmbeddedAtomPotential(), description="The potential energy surface.")
    training: Training = Field(Training(), description="Training of the potential on the frames.")
    dipole: Dipole = Field(Dipole(), description="The dipole surface.")
    dipole_training: DipoleTraining = Field(
        DipoleTraining(), description="Training of the dipole surface on the frames."
    )
    states: list[State] = Field(min_length=1, description="The states at which properties are computed.")
    ensemble: Ensemble = Field(Ensemble(), description="Canonical sampling of the starting points.")
    trajectory: Trajectory = Field(
        Trajectory(), description="Constant-energy trajectories from the starting points."
    )
    objective: Objective = Field(description="What the refinement minimises.")
    gradient: Gradient = Field(Gradient(), description="Gradient of the objective by the adjoint method.")
    optimiser: Optimiser = Field(Optimiser(), description="Steps of the refinement.")
    validation: Validation = Field(
        Validation(), description="Longer runs before and after the refinement, which judge it."
    )

    def states_by_label(self) -> dict[str, State]:
        """The states by their names in paths."""
        return dict(zip(state_labels(self.states), self.states, strict=True))

    def validation_ensemble(self) -> Ensemble:
        """The sampling of the validation: that of the refinement with the numbers of `validation`."""
        return self.ensemble.model_copy(update=self.validation.model_dump(include=set(Sampling.model_fields)))

    def validation_trajectory(self) -> Trajectory:
        """The trajectories of the validation: those of the refinement with the length of `validation`."""
        return self.trajectory.model_copy(update={"length": self.validation.length})
