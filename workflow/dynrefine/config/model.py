"""The configuration as a whole."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from dynrefine.config.base import Section
from dynrefine.config.data import WATER, CampaignSettings, DatasetSettings, Element, FrameFile, ModelFile
from dynrefine.config.dynamics import (
    EnsembleSettings,
    SharedSampling,
    State,
    TrajectorySettings,
    ValidationSettings,
    state_labels,
)
from dynrefine.config.gradient import GradientSettings
from dynrefine.config.labelling import LabellingSettings
from dynrefine.config.objective import ObjectiveSettings
from dynrefine.config.optimiser import OptimiserSettings
from dynrefine.config.properties.base import PropertySettings
from dynrefine.config.surfaces import PotentialSettings, SurfaceName, TrainedSurface
from dynrefine.config.surfaces.base import SurfaceSettings
from dynrefine.config.surfaces.embedded_atoms import (
    DipoleSettings,
    EmbeddedAtomSettings,
    PolarizabilitySettings,
)
from dynrefine.config.surfaces.joined import JoinedSettings
from dynrefine.config.surfaces.training import PotentialTrainingSettings, TrainingSettings
from dynrefine.config.teacher import TeacherSettings


class Config(Section):
    """Configuration of a dynrefine campaign."""

    campaign: CampaignSettings = Field(description="Name of the campaign and seed of its random numbers.")
    elements: list[Element] = Field(
        list(WATER), min_length=1, description="The elements; their order numbers the species in all files."
    )
    precision: Literal["float32", "float64"] = Field(
        "float32", description="Floating-point precision of simulations and gradients."
    )
    dataset: DatasetSettings | None = Field(
        None,
        description="Ab initio frames the surfaces are trained on; absent if the potential is not trained.",
        examples=[{}],
    )
    labelling: LabellingSettings = Field(
        LabellingSettings(), description="Electronic-structure calculations of further frames."
    )
    potential: PotentialSettings = Field(EmbeddedAtomSettings(), description="The potential energy surface.")
    training: PotentialTrainingSettings = Field(
        PotentialTrainingSettings(), description="Training of the potential on the frames."
    )
    dipole: DipoleSettings = Field(DipoleSettings(), description="The dipole surface.")
    dipole_training: TrainingSettings = Field(
        TrainingSettings(), description="Training of the dipole surface on the frames."
    )
    surfaces: dict[SurfaceName, TrainedSurface] = Field(
        {},
        description="Further surfaces, by the names under which quantities know them; one called dipole replaces the "
        "section dipole.",
    )
    states: list[State] = Field(min_length=1, description="The states at which properties are computed.")
    ensemble: EnsembleSettings = Field(EnsembleSettings(), description="Sampling of the starting points.")
    trajectory: TrajectorySettings = Field(
        TrajectorySettings(), description="Constant-energy trajectories from the starting points."
    )
    objective: ObjectiveSettings = Field(description="What the refinement minimises.")
    gradient: GradientSettings = Field(
        GradientSettings(), description="Gradient of the objective by the adjoint method."
    )
    optimiser: OptimiserSettings = Field(OptimiserSettings(), description="Steps of the refinement.")
    validation: ValidationSettings = Field(
        ValidationSettings(), description="Longer runs before and after the refinement, which validate it."
    )
    teacher: TeacherSettings | None = Field(
        None,
        description="A potential that plays the part of reality: simulated as in the validation, it makes the "
        "targets of all synthetic properties, and the campaign's potential is its student. null: all targets are "
        "measured.",
        examples=[None],
    )

    @model_validator(mode="before")
    @classmethod
    def _labelled_frames_alone(cls, values: Any) -> Any:
        """Make geometries to label a data set, even if no file has further frames."""
        own = values.get("labelling") if isinstance(values, dict) else None
        if not isinstance(own, dict) or not own.get("geometries"):
            return values
        dataset = values.get("dataset") or {}
        return {**values, "dataset": {"files": [], **dataset}} if isinstance(dataset, dict) else values

    def states_by_label(self) -> dict[str, State]:
        """The states by their names in paths."""
        return dict(zip(state_labels(self.states), self.states, strict=True))

    def judged_states(self) -> dict[str, State]:
        """The states of the validation by their names in paths."""
        states = self.validation.states or self.states
        return dict(zip(state_labels(states), states, strict=True))

    def quantum_states(self) -> dict[str, State]:
        """The states of path integrals by their names in paths; none without that section."""
        own, judged = self.validation.path_integrals, self.judged_states()
        if own is None:
            return {}
        return {label: state for label, state in judged.items() if label in (own.states or judged)}

    def all_states(self) -> dict[str, State]:
        """The states of the refinement and of the validation by their names in paths."""
        return self.states_by_label() | self.judged_states()

    def states_by_key(self) -> dict[str, State]:
        """All states by their keys."""
        own = {f"states[{index}]": state for index, state in enumerate(self.states)}
        return own | {
            f"validation.states[{index}]": state for index, state in enumerate(self.validation.states)
        }

    def trained_surfaces(self) -> dict[str, TrainedSurface]:
        """All surfaces but the potential that can be trained, by name: those of `surfaces` and built-in ones."""
        dipole = TrainedSurface(surface=self.dipole, training=self.dipole_training)
        polarizability = TrainedSurface(surface=PolarizabilitySettings())
        return {"dipole": dipole, "polarizability": polarizability} | self.surfaces

    def trainings(self) -> dict[str, TrainingSettings]:
        """The settings of all trainings, by their keys."""
        own = {"training": self.training, "dipole_training": self.dipole_training}
        taught = self.teacher.training if self.teacher else None
        beside = {f"surfaces.{name}.training": each.training for name, each in self.surfaces.items()}
        return own | beside | ({"teacher.training": taught} if taught else {})

    def surfaces_beside(self, properties: Mapping[str, PropertySettings]) -> dict[str, TrainedSurface]:
        """The surfaces that properties need, by name, except those that the potential serves as."""
        trained = self.trained_surfaces()
        served = set(self.potential.serves_as) - set(self.surfaces)
        names = {name for settings in properties.values() for name in settings.surfaces}
        return {name: trained[name] for name in sorted(names - served)}

    def task_of(self, surface: str) -> str:
        """What a surface other than the potential is fitted to."""
        return self.trained_surfaces()[surface].task or surface

    def refined_surfaces(self) -> dict[str, TrainedSurface]:
        """The surfaces that are refined with the potential, by name."""
        trained = self.trained_surfaces()
        return {name: trained[name] for name in self.optimiser.surfaces}

    def joined(self) -> "Config":
        """The campaign with the potential joined to the surfaces that are refined with it, if any."""
        refined = {name: each.surface for name, each in self.refined_surfaces().items()}
        if not refined:
            return self
        return self.model_copy(
            update={"potential": JoinedSettings.of({"potential": self.potential, **refined})}
        )

    def potentials(self) -> dict[str, SurfaceSettings]:
        """The settings of the potential, and of the teacher's if it has its own, by their keys."""
        own = self.teacher.potential if self.teacher else None
        return {"potential": self.potential} | ({"teacher.potential": own} if own else {})

    def surfaces_from_files(self) -> dict[str, tuple[str, SurfaceSettings]]:
        """The key and the settings of each surface whose parameters come from a file, by name."""
        surfaces = {"potential": ("potential", self.potential), "dipole": ("dipole", self.dipole)}
        own = {name: (f"surfaces.{name}.surface", each.surface) for name, each in self.surfaces.items()}
        taught = {"teacher": ("teacher.potential", self.of_teacher().potential)} if self.teacher else {}
        return {name: found for name, found in (surfaces | own | taught).items() if found[1].file is not None}

    def downloads(self) -> dict[str, FrameFile | ModelFile]:
        """The files that are downloaded or copied, by their paths."""
        frames = [file for dataset in self.datasets().values() for file in dataset.files]
        models = [settings.file for _, settings in self.surfaces_from_files().values()]
        return {file.path: file for file in [*frames, *models] if file is not None and file.url is not None}

    def mean_mass(self) -> float:
        """The mean mass of the atoms that sampling starts from without a data set, u."""
        masses = {element.symbol: element.mass for element in self.elements}
        molecule = self.potential.molecule
        if molecule is None:
            return self.elements[0].mass
        return sum(masses[symbol] for symbol, _ in molecule) / len(molecule)

    def all_properties(self) -> dict[str, PropertySettings]:
        """The fitted properties and those that are only validated, by name."""
        return self.objective.observables.chosen() | self.validation.properties.chosen()

    def datasets(self) -> dict[str, DatasetSettings]:
        """The data sets by their keys."""
        main = {"dataset": self.dataset} if self.dataset else {}
        if self.teacher and self.teacher.dataset:
            main["teacher.dataset"] = self.teacher.dataset
        own = {name: each.dataset for name, each in self.surfaces.items() if each.dataset}
        return main | {f"surfaces.{name}.dataset": dataset for name, dataset in own.items()}

    @property
    def synthetic_targets(self) -> dict[str, str]:
        """The files of the targets that the teacher makes, by "property_state"."""
        synthetic = [name for name, settings in self.all_properties().items() if settings.synthetic]
        names = [f"{name}_{label}" for name in synthetic for label in self.all_states()]
        return {name: f"results/{self.campaign.name}/targets/{name}.csv" for name in names}

    def of_teacher(self) -> "Config":
        """The campaign with the teacher's potential, without synthetic targets.

        Raises:
            ValueError: there is no teacher.
        """
        if self.teacher is None:
            raise ValueError("the campaign has no section teacher")
        own = {name: each for name, each in self.teacher if each is not None}
        without = {
            "objective": self.objective.model_copy(
                update={"observables": self.objective.observables.without_synthetic()}
            ),
            "validation": self.validation.model_copy(
                update={"properties": self.validation.properties.without_synthetic()}
            ),
        }
        return self.model_copy(update=own | without)

    def without_command(self) -> "Config":
        """The campaign with the default command for labelling, since the command changes no result."""
        labelling = self.labelling.model_copy(update={"command": LabellingSettings().command})
        return self.model_copy(update={"labelling": labelling})

    def of_validation(self) -> "Config":
        """The campaign with the sampling and the trajectories of the validation, which reuses no starting points."""
        sampling = self.validation.model_dump(include=set(SharedSampling.model_fields))
        sampling |= {"reuse": 1.0, "trajectories_per_replica": None}
        return self.model_copy(
            update={
                "ensemble": self.ensemble.model_copy(update=sampling),
                "trajectory": self.trajectory.model_copy(update={"length": self.validation.length}),
            }
        )
