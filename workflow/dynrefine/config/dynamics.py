"""Settings of the states, the ensembles, the trajectories and the validation."""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from dynrefine.config.base import NonNegativeFloat, PositiveFloat, PositiveInt, Repeats, Section

Chunks = Annotated[int, Field(ge=1, le=100)]


class State(Section):
    temperature: PositiveFloat = Field(description="Temperature, K.", examples=[300.0])
    density: PositiveFloat = Field(description="Mass density the cell is scaled to, g/cm³.", examples=[0.997])
    supercell: Repeats = Field(
        [1, 1, 1], description="Repeats of the data set's frames along the three cell vectors."
    )

    @property
    def short_label(self) -> str:
        """The rounded temperature, as in "298K"."""
        return f"{self.temperature:.0f}K"


def state_labels(states: Sequence[State]) -> list[str]:
    """The names of the states in paths: the rounded temperature, and the density where states share it."""
    shared = Counter(state.short_label for state in states)
    return [
        state.short_label if shared[state.short_label] == 1 else f"{state.short_label}_{state.density:g}"
        for state in states
    ]


class Sampling(Section):
    chunks: Chunks = Field(2, description="Parallel jobs that share the starting points of a state.")
    replicas: PositiveInt = Field(8, description="Independent chains run side by side in one job.")
    samples_per_replica: PositiveInt = Field(2, description="Starting points taken from each chain.")
    equilibration: NonNegativeFloat = Field(
        2.0, description="Time before the first starting point where a chain begins from the data set, ps."
    )
    decorrelation: PositiveFloat = Field(0.5, description="Time before each further starting point, ps.")


class Ensemble(Sampling):
    timestep: PositiveFloat = Field(0.5, description="Time step of the canonical sampling, fs.")
    friction: PositiveFloat = Field(2.0, description="Friction of the Langevin thermostat, 1/ps.")
    neighbour_skin: NonNegativeFloat = Field(
        0.5, description="Distance added to the cutoff so that neighbour lists last, Å."
    )
    neighbour_capacity: PositiveInt | None = Field(
        None, description="Neighbours kept per atom; null: derived from the density."
    )
    rebuild_interval: PositiveInt = Field(20, description="Time steps between two neighbour lists.")


class Trajectory(Section):
    timestep: PositiveFloat = Field(0.5, description="Time step of the constant-energy trajectories, fs.")
    length: PositiveFloat = Field(200.0, description="Length of a trajectory each way in time, fs.")
    sampling_interval: PositiveFloat = Field(
        2.0, description="Time between two recorded values of an observable, fs; a multiple of the time step."
    )
    energy_drift: PositiveFloat = Field(
        5.0, description="Largest change of the total energy along a trajectory, meV per atom."
    )
    temperature_bounds: Annotated[list[PositiveFloat], Field(min_length=2, max_length=2)] = Field(
        [0.4, 2.0],
        description="Lowest and highest temperature along a trajectory, in multiples of the state's.",
    )


class Validation(Sampling):
    length: PositiveFloat = Field(1000.0, description="Length of a trajectory each way in time, fs.")
