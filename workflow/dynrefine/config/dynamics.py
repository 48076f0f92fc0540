"""Settings of the states, the ensembles, the trajectories and the validation."""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from dynrefine.config.base import NonNegativeFloat, PositiveFloat, PositiveInt, Repeats, Section
from dynrefine.config.properties import Observables

Chunks = Annotated[int, Field(ge=1, le=100)]
BLOCKS_OF_A_RUN = 5  # which give the error bars of path integrals


class State(Section):
    temperature: PositiveFloat = Field(description="Temperature, K.", examples=[300.0])
    density: PositiveFloat = Field(description="Mass density the cell is scaled to, g/cm³.", examples=[0.997])
    pressure: float | None = Field(
        None,
        description="Pressure at which the cell fluctuates if ensemble.kind is isobaric, bar; sampling starts from "
        "the density.",
    )
    supercell: Repeats = Field(
        [1, 1, 1], description="Repeats of the data set's frames along the three cell vectors."
    )
    atoms: PositiveInt | None = Field(
        None,
        description="Number of atoms in a cubic cell, for campaigns without a data set; null: the cell comes from "
        "the data set.",
    )

    @property
    def short_label(self) -> str:
        """The rounded temperature, as in "298K"."""
        return f"{self.temperature:.0f}K"

    def name(self, label: str) -> str:
        """The state in words, "298 K", with its density if its label has it."""
        density = "" if label == self.short_label else f", {self.density:g} g/cm³"
        return f"{self.temperature:.0f} K{density}"


def state_labels(states: Sequence[State]) -> list[str]:
    """The names of the states in paths: the rounded temperature, with the density if states share it."""
    shared = Counter(state.short_label for state in states)
    return [
        state.short_label if shared[state.short_label] == 1 else f"{state.short_label}_{state.density:g}"
        for state in states
    ]


class SamplingSettings(Section):
    replicas: PositiveInt = Field(8, description="Independent chains run side by side in one job.")
    samples_per_replica: PositiveInt = Field(2, description="Starting points taken from each chain.")
    equilibration: NonNegativeFloat = Field(
        2.0, description="Time before the first starting point of a chain that begins from the data set, ps."
    )
    decorrelation: PositiveFloat = Field(0.5, description="Time before each further starting point, ps.")


class SharedSampling(SamplingSettings):
    """Sampling that several jobs share."""

    chunks: Chunks = Field(2, description="Parallel jobs that share the starting points of a state.")


class NeighbourSettings(Section):
    neighbour_skin: NonNegativeFloat = Field(
        0.5,
        description="Distance added to the cutoff so that neighbour lists stay valid for some steps, Å; larger along "
        "trajectories, where they must last from one recorded value to the next.",
    )
    neighbour_capacity: PositiveInt | None = Field(
        None, description="Neighbours kept per atom; null: estimated from the density."
    )
    rebuild_interval: PositiveInt = Field(
        4, description="Time steps between rebuilds of the neighbour lists."
    )


class BegunSettings(NeighbourSettings):
    trajectories_per_replica: PositiveInt | None = Field(
        None,
        description="Trajectories started from each chain, at its latest starting points. The other points enter "
        "only averages that need no trajectory, such as the pressure. null: one from each starting point.",
    )


class CanonicalSettings(BegunSettings, SamplingSettings):
    timestep: PositiveFloat = Field(0.5, description="Time step of the sampling, fs.")
    masses: dict[str, PositiveFloat] = Field(
        {},
        description="Masses in the sampling by chemical symbol, u; others as in elements. "
        "The distribution of positions does not depend on masses, and heavier hydrogen allows a longer time step. "
        "Trajectories use the true masses.",
        examples=[{}],
    )
    friction: PositiveFloat = Field(2.0, description="Friction of the Langevin thermostat, 1/ps.")


class BarostatSettings(Section):
    compressibility: PositiveFloat = Field(
        4.5e-5,
        description="Approximate compressibility of the liquid, 1/bar. With the relaxation time it sets how fast "
        "cells change.",
    )
    relaxation: PositiveFloat = Field(1.0, description="Relaxation time of the volume, ps.")


class ReusedSettings(CanonicalSettings):
    kind: str = Field(
        "canonical",
        description="Sampler of the starting points (canonical: Langevin dynamics at the state's density; isobaric: "
        "Langevin dynamics at its pressure), or the dotted name of a module outside the library.",
    )
    barostat: BarostatSettings = Field(
        BarostatSettings(), description="Barostat of the isobaric sampling: stochastic cell rescaling."
    )
    options: dict[str, Any] = Field(
        {}, description="Settings of a sampler outside the library.", examples=[{}]
    )
    reuse: float = Field(
        1.0,
        gt=0.0,
        le=1.0,
        description="Effective sample size to keep, as a fraction of the starting points, when those of earlier "
        "iterations are reweighted to the changed potential (MBAR). Only as many chunks as this requires are "
        "sampled again, the oldest first. 1: each iteration samples all chunks.",
    )


class EnsembleSettings(ReusedSettings, SharedSampling):
    """All settings of the sampling."""


class TrajectorySettings(Section):
    timestep: PositiveFloat = Field(0.5, description="Time step of the constant-energy trajectories, fs.")
    length: PositiveFloat = Field(200.0, description="Length of a trajectory in each direction of time, fs.")
    sampling_interval: PositiveFloat = Field(
        2.0, description="Time between two recorded values of an observable, fs; a multiple of the time step."
    )
    reversal: Literal["floating", "exact"] = Field(
        "floating",
        description="How exactly the gradient retraces a trajectory backwards. floating: to within "
        "gradient.reversal_tolerance; exact: to the last bit, whatever its length, at the cost of one more force in "
        "each step of the gradient.",
    )
    energy_drift: PositiveFloat = Field(
        5.0, description="Largest change of the total energy allowed along a trajectory, meV per atom."
    )
    temperature_bounds: Annotated[list[PositiveFloat], Field(min_length=2, max_length=2)] = Field(
        [0.4, 2.0],
        description="Lowest and highest temperature allowed along a trajectory, in multiples of the state's.",
    )


class RingPolymerSettings(Section):
    beads: PositiveInt = Field(32, description="Beads in the ring polymer of each atom; 1: classical nuclei.")
    thermostat: Literal["pile_g", "pile_l"] = Field(
        "pile_g",
        description="Thermostat of the ring polymers, by its name in i-PI: Langevin on the normal modes, and on the "
        "centroids either global (pile_g) or local (pile_l).",
    )
    relaxation: PositiveFloat = Field(0.1, description="Relaxation time of the centroids' thermostat, ps.")
    timestep: PositiveFloat = Field(0.25, description="Time step, fs.")
    equilibration: NonNegativeFloat = Field(
        1.0,
        description="Time before the first record, ps; runs begin from starting points of the validation.",
    )
    length: PositiveFloat = Field(5.0, description="Length of a run after its equilibration, ps.")
    sampling_interval: PositiveFloat = Field(
        20.0, description="Time between two records, fs; a multiple of the time step."
    )

    @property
    def steps(self) -> int:
        """Time steps of a run."""
        return round(1e3 * (self.equilibration + self.length) / self.timestep)


class PathIntegralSettings(RingPolymerSettings):
    states: list[str] = Field(
        [],
        description="Validation states to run, by their names in paths, such as 298K; empty: all.",
        examples=[[]],
    )
    runs: Chunks = Field(2, description="Independent runs of each state, one job each.")


class JudgeSettings(Section):
    properties: Observables = Field(
        Observables(),
        description="Properties to validate beside the fitted ones, as in objective.observables.",
    )


class DrawnSettings(Section):
    drawn_potentials: int = Field(
        16,
        ge=3,
        description="Number of potentials drawn among those that fit the ab initio frames as well as the refined "
        "one. Used with covariance if the parameters of the potential have no names.",
    )


class ValidationSettings(JudgeSettings, DrawnSettings, SharedSampling):
    states: list[State] = Field(
        [],
        description="States at which potentials are validated; empty: those of the refinement. Measurements at "
        "states that the refinement does not see belong in the targets of a property.",
        examples=[[]],
    )
    length: PositiveFloat = Field(1000.0, description="Length of a trajectory in each direction of time, fs.")
    covariance: bool = Field(
        False,
        description="Estimate how well the fitted measurements determine the parameters or, if these have no names, "
        "the properties, among potentials that fit the ab initio frames as well. This uses the derivatives of all "
        "properties at the refined potential. Each parameter, or drawn potential, takes two more short runs from "
        "each starting point.",
    )
    path_integrals: PathIntegralSettings | None = Field(
        None,
        description="Path integrals with the refined potential by i-PI, which show what classical nuclei hide; "
        "absent: none.",
        examples=[{}],
    )
