"""What each step of a campaign depends on: these settings are parameters of its rule and decide when it re-runs."""

import json
from typing import Any

from pydantic import BaseModel

from dynrefine.config.base import Section, TrainableSettings
from dynrefine.config.data import Element, FramesSettings
from dynrefine.config.dynamics import (
    BarostatSettings,
    BegunSettings,
    DrawnSettings,
    JudgeSettings,
    NeighbourSettings,
    ReusedSettings,
    RingPolymerSettings,
    State,
    TrajectorySettings,
)
from dynrefine.config.gradient import (
    FollowingSettings,
    LocalitySettings,
    PilotSettings,
    ReversalSettings,
    ShortCheckSettings,
)
from dynrefine.config.labelling import BatchSettings
from dynrefine.config.model import Config
from dynrefine.config.objective import AnchorSettings, ObjectiveSettings, TargetsSettings
from dynrefine.config.optimiser import (
    AveragingSettings,
    DampingSettings,
    ProbeSettings,
    RefinedSurfaceSettings,
    RowSettings,
    StepSettings,
)
from dynrefine.config.surfaces import OtherSurface, PotentialSettings
from dynrefine.config.surfaces.joined import JoinedSettings, SimulatedPotential
from dynrefine.config.surfaces.training import PotentialTrainingSettings, TrainingSettings


class _OfElements(Section):
    elements: list[Element]

    @property
    def symbols(self) -> list[str]:
        """Chemical symbols in the order that numbers the species."""
        return [element.symbol for element in self.elements]


class PotentialStep(_OfElements):
    """Settings of steps with a potential."""

    potential: SimulatedPotential


class SurfacesStep(PotentialStep):
    """Settings of steps with a potential and other surfaces, by name."""

    surfaces: dict[str, OtherSurface]


class SimulationSettings(SurfacesStep):
    """Settings of trajectories on a potential, with other surfaces observed along them."""

    ensemble: NeighbourSettings


class TrajectoriesStep(SimulationSettings):
    """Settings of steps with the trajectories of a state."""

    state: State


class EvaluationSettings(_OfElements):
    """Settings of the properties that are evaluated from trajectories."""

    trajectory: TrajectorySettings
    objective: TargetsSettings
    synthetic_targets: dict[str, str] = {}  # files by "property_state"


class DownloadFrames(Section):
    sha256: str | dict[str, str]


class _LabelsOfAtoms(Section):
    symbols: dict[str, str]


class LabelFrames(_OfElements):
    labelling: BatchSettings
    dataset: _LabelsOfAtoms


class PrepareDataset(_OfElements):
    dataset: FramesSettings
    needed: list[str]  # labels that every frame must have


class InitialPotential(_OfElements):
    surface: PotentialSettings | OtherSurface
    name: str


class TrainSurface(_OfElements):
    surface: PotentialSettings | OtherSurface
    training: PotentialTrainingSettings | TrainingSettings
    task: str


class _ProbedSettings(TrainableSettings, ProbeSettings):
    pass


class MeasureForceMetric(PotentialStep):
    optimiser: _ProbedSettings


class MeasureSurface(PotentialStep):
    surface: str
    task: str
    refined: RefinedSurfaceSettings


class JoinSurfaces(PotentialStep):
    potential: JoinedSettings


class SampleEnsemble(PotentialStep):
    state: State
    ensemble: ReusedSettings


class RunTrajectories(TrajectoriesStep):
    ensemble: BegunSettings
    trajectory: TrajectorySettings
    along: list[str]
    at_start: list[str]
    of_atoms: bool = False  # whether the contributions of the atoms are recorded
    depth: float | str | None


class EvaluateObjective(EvaluationSettings):
    states: dict[str, State]
    gradient: LocalitySettings


class AdjointGradient(TrajectoriesStep, EvaluationSettings):
    gradient: FollowingSettings
    observable: str | None  # the one that is followed; None: all


class AnchorGradient(PotentialStep):
    anchor: AnchorSettings


class UpdatePotential(PotentialStep):
    states: dict[str, State]
    objective: ObjectiveSettings
    optimiser: StepSettings


class AveragePotentials(PotentialStep):
    optimiser: AveragingSettings


class _PilotedGradient(ReversalSettings):
    horizon: PilotSettings


class GradientHorizon(TrajectoriesStep, EvaluationSettings):
    gradient: _PilotedGradient
    optimiser: RowSettings
    along: list[str]
    at_start: list[str]


class _CheckedGradient(ReversalSettings):
    check: ShortCheckSettings


class CheckGradient(TrajectoriesStep, EvaluationSettings):
    gradient: _CheckedGradient


class DisplacePotential(PotentialStep):
    displacement: dict[str, float]


class CheckTotalDerivative(PotentialStep):
    states: dict[str, State]
    optimiser: RowSettings
    observables: list[str]
    displacements: dict[str, float]


class JudgingSettings(EvaluationSettings):
    """Settings of the fitted properties and those that are only validated."""

    validation: JudgeSettings


class _JudgedStates(SimulationSettings, JudgingSettings):
    states: dict[str, State]
    fitted_states: list[str]  # labels of those that the refinement sees


class Validate(_JudgedStates):
    tasks: dict[str, str]  # of the surfaces that are refined with the potential, by name


class MeasureSensitivities(RunTrajectories, JudgingSettings):
    pass


class EstimateCovariance(PotentialStep, JudgingSettings):
    states: dict[str, State]
    fitted_states: list[str]


class _DampedSettings(TrainableSettings, DampingSettings):
    pass


class DrawPotentials(PotentialStep):
    optimiser: _DampedSettings
    validation: DrawnSettings


class CompareDrawnPotentials(EstimateCovariance):
    pass


class _HeldSettings(NeighbourSettings):
    barostat: BarostatSettings


class SamplePathIntegrals(PotentialStep):
    state: State
    ensemble: _HeldSettings
    path_integrals: RingPolymerSettings


class JudgePathIntegrals(_JudgedStates):
    pass


class WriteTarget(Section):
    pass


class CompareWithTeacher(PotentialStep):
    states: dict[str, State]
    teacher: PotentialSettings


class ExportPotential(SurfacesStep):
    pass


class DrawFigures(Section):
    pass


class WriteReport(Section):
    configuration: Config
    surfaces: list[str]
    benchmarks: str
    logs: str


STEPS: dict[str, type[Section]] = {
    "download_frames": DownloadFrames,
    "label_frames": LabelFrames,
    "prepare_dataset": PrepareDataset,
    "initial_potential": InitialPotential,
    "train_surface": TrainSurface,
    "measure_force_metric": MeasureForceMetric,
    "join_surfaces": JoinSurfaces,
    "sample_ensemble": SampleEnsemble,
    "run_trajectories": RunTrajectories,
    "evaluate_objective": EvaluateObjective,
    "adjoint_gradient": AdjointGradient,
    "anchor_gradient": AnchorGradient,
    "measure_surface": MeasureSurface,
    "update_potential": UpdatePotential,
    "average_potentials": AveragePotentials,
    "gradient_horizon": GradientHorizon,
    "check_gradient": CheckGradient,
    "displace_potential": DisplacePotential,
    "check_total_derivative": CheckTotalDerivative,
    "validate": Validate,
    "measure_sensitivities": MeasureSensitivities,
    "estimate_covariance": EstimateCovariance,
    "draw_potentials": DrawPotentials,
    "compare_drawn_potentials": CompareDrawnPotentials,
    "sample_path_integrals": SamplePathIntegrals,
    "judge_path_integrals": JudgePathIntegrals,
    "write_target": WriteTarget,
    "compare_with_teacher": CompareWithTeacher,
    "export_potential": ExportPotential,
    "draw_figures": DrawFigures,
    "write_report": WriteReport,
}

# Settings that can stop a job and change no result. They are resources of rules, not parameters: a campaign that one
# of them stopped continues with a wider one, and no finished job runs again.
LIMIT_KEYS = {"trajectory": {"energy_drift", "temperature_bounds"}, "gradient": {"reversal_tolerance"}}


def parameters_of(step: str, config: Config, **others: Any) -> dict[str, Any]:
    """The parameters of a rule in plain types: what its results depend on in each section, and nothing else.

    Arguments:
        step: its name in `STEPS`.
        config: of the campaign, or of its validation.
        others: settings that are not sections of the configuration.
    """
    kind = STEPS[step]
    sections = {name: getattr(config, name) for name in kind.model_fields if name not in others}
    return _narrowed(kind.model_construct(**sections, **others), kind).model_dump(exclude=LIMIT_KEYS)


def limits_of(config: Config) -> str:
    """The limits of a campaign as a resource of rules, which is a string."""
    return config.model_dump_json(include=LIMIT_KEYS)


def settings_of_step(step: str, parameters: dict[str, Any], limits: str | None) -> Section:
    """The settings of a step from the parameters of its rule and the limits among its resources."""
    of_sections = {} if limits is None else json.loads(limits)
    found = {name: parameters[name] | of_sections[name] for name in of_sections if name in parameters}
    return STEPS[step].model_validate(parameters | found)


def _narrowed(value: Any, kind: Any) -> Any:
    """A section without the keys that a more general kind of section does not have."""
    is_section = isinstance(value, BaseModel) and isinstance(kind, type) and issubclass(kind, BaseModel)
    if not is_section or type(value) is kind:
        return value
    fields = kind.model_fields.items()
    return kind.model_construct(
        **{name: _narrowed(getattr(value, name), field.annotation) for name, field in fields}
    )
