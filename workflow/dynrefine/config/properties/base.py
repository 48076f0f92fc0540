"""What the settings of all properties share."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

import numpy as np
from pydantic import Field

from dynrefine.config.base import NonNegativeFloat, PositiveFloat, Section, sentence

if TYPE_CHECKING:
    from dynrefine.config.model import Config

Range = Annotated[list[NonNegativeFloat], Field(min_length=2, max_length=2)]


@dataclass(frozen=True)
class Place:
    """Where the settings of a property are given: their key, whether they are fitted, and the campaign."""

    key: str
    config: "Config"
    fitted: bool

    @property
    def interval(self) -> float:
        """Time between two recorded values along a trajectory, fs."""
        return self.config.trajectory.sampling_interval

    @property
    def length(self) -> tuple[str, float]:
        """The length of the shortest trajectories the property is computed from: its key, and its value in fs."""
        judging = "validation.length", self.config.validation.length
        refining = "trajectory.length", self.config.trajectory.length
        return min(refining, judging, key=lambda each: each[1]) if self.fitted else judging

    def longest_lag(self, tapered: bool = False) -> tuple[str, float]:
        """The longest lag of the trajectories' 2n - 1 frames, in words and in fs.

        Arguments:
            tapered: whether two more lags do no harm because a window gives them no weight.
        """
        key, length = self.length
        if tapered:
            return f"twice {key}, {2.0 * length:g} fs", 2.0 * length
        lag = 2.0 * (length - self.interval)
        return f"twice {key} less two sampling intervals, {lag:g} fs", lag


@dataclass(frozen=True)
class Measurement:
    """A measured curve: the key and the path of its file, the name and the values of its abscissa."""

    key: str
    path: str
    name: str
    abscissa: np.ndarray

    @property
    def section(self) -> str:
        """The key of the property's settings."""
        return self.key.rpartition(".target")[0]


class PropertySettings(Section):
    """Settings of every property: quantities `along` trajectories and `at_start` of them, and `surfaces`."""

    along: ClassVar[tuple[str, ...]] = ()
    at_start: ClassVar[tuple[str, ...]] = ()
    surfaces: ClassVar[tuple[str, ...]] = ()
    by_state: ClassVar[dict[str, str]] = {"weights": "weight"}  # settings that may differ by state
    at_one_temperature: ClassVar[tuple[str, ...]] = ("target",)  # each temperature needs its own
    of_charges: ClassVar[bool] = False  # whether it depends on formal charges, which must add up to zero
    of_positions: ClassVar[bool] = False  # whether it is a mean over positions and cells, as beads have

    kind: str | None = Field(
        None,
        description="The property, if its section has another name; this allows several sections of the same "
        "property.",
    )
    weight: PositiveFloat = Field(1.0, description="Weight in the objective, pure number.")
    weights: dict[str, PositiveFloat] = Field(
        {},
        description="Weights of individual states, by state name; all others use the key weight.",
        examples=[{}],
    )
    synthetic: bool = Field(
        False,
        description="Whether the target is the teacher's value, computed with the same settings; see teacher.",
    )

    @property
    def family(self) -> str | None:
        """What it measures, if other properties measure the same."""
        return None

    @property
    def elements(self) -> tuple[str, ...]:
        """The elements it names."""
        return ()

    @property
    def of_volume(self) -> bool:
        """Whether it contains the mean volume as a factor, which its gradient takes as fixed."""
        return False

    @property
    def target_file(self) -> str | None:
        """The file of the measurement, if it is read from one."""
        return None

    @property
    def is_measured(self) -> bool:
        """Whether there is a measurement; without one a property can be validated, but not fitted."""
        return self.synthetic or getattr(self, "target", None) is not None

    @property
    def own_targets(self) -> Mapping[str, Any]:
        """The measurements of states that have their own, by state name."""
        return getattr(self, "targets", {})

    def unsuitable(self, place: Place) -> Iterator[str]:
        """A sentence for each setting that conflicts with the others, or with the campaign."""
        for own in self.by_state:
            yield from unknown_states(f"{place.key}.{own}", getattr(self, own), place.config)
        if self.synthetic and (getattr(self, "target", None) is not None or self.own_targets):
            yield sentence(
                f"{place.key} has a target and is synthetic", "one of the two", "remove target or synthetic"
            )
        if self.synthetic and place.config.teacher is None:
            yield sentence(
                f"{place.key}.synthetic is true where there is no teacher",
                "a section teacher, which makes the target",
                "add it, or give a target",
            )
        if place.fitted and self.of_volume and place.config.ensemble.kind == "isobaric":
            yield sentence(
                f"{place.key} is given where ensemble.kind is isobaric",
                "canonical, since its gradient takes the mean volume as fixed",
                "set ensemble.kind: canonical, fit the density, or move it to validation.properties",
            )
        for symbol in self.elements:
            symbols = [element.symbol for element in place.config.elements]
            if symbol not in symbols:
                yield sentence(
                    f"{place.key} names the element '{symbol}'", f"one of {', '.join(symbols)}", "correct it"
                )

    def unsuitable_target(self, measured: Measurement) -> Iterator[str]:
        """A sentence if a measured curve has the wrong unit, or does not cover the range that is compared."""
        return iter(())

    def of_state(self, *names: str) -> Self:
        """The settings for a state, with the values given for it under one of its names, if any."""
        given = {setting: getattr(self, own) for own, setting in self.by_state.items()}
        update = {
            setting: own[name] for setting, own in given.items() for name in reversed(names) if name in own
        }
        return self.model_copy(update=update)

    def elsewhere(self) -> Self:
        """The settings for states outside the refinement, without `target`, which was measured at those inside."""
        return self.model_copy(update={"target": None})

    @property
    def compared_bands(self) -> Sequence["Band"]:
        """The parts of the abscissa that are compared, if they are chosen."""
        return ()

    @property
    def drawn_ranges(self) -> Sequence[Sequence[float]]:
        """First and last abscissa of the parts of a curve that are drawn; if there are none, all of it is."""
        return [band.range for band in self.compared_bands]

    @property
    def target_files(self) -> dict[str, str]:
        """The files of all measurements, by their keys in the section."""
        return {}

    def measured_as(self, measured: np.ndarray) -> Self:
        """The settings with the values of a file; a curve is read when it is compared."""
        return self

    @classmethod
    def example(cls) -> dict[str, Any] | None:
        """The least a campaign has to write; None if the property cannot be combined with the others."""
        raise NotImplementedError


class JudgingCurve(PropertySettings):
    """A curve whose measurement is read from a file; without one it can be validated, but not fitted."""

    by_state: ClassVar[dict[str, str]] = PropertySettings.by_state | {"targets": "target"}

    target: str | None = Field(
        None, description="CSV file of the measured property; null: none.", examples=[None]
    )
    targets: dict[str, str] = Field(
        {},
        description="Files for states with measurements of their own, by state name, such as {350K: file}.",
        examples=[{}],
    )

    @property
    def target_file(self) -> str | None:
        """The file of the measurement."""
        return self.target

    @property
    def target_files(self) -> dict[str, str]:
        """The files of all measurements, by their keys in the section."""
        own = {} if self.target is None else {"target": self.target}
        return own | {f"targets.{state}": path for state, path in self.targets.items()}


class JudgingNumber(PropertySettings):
    """A single number, measured with an uncertainty; without a measurement it can be validated, but not fitted."""

    by_state: ClassVar[dict[str, str]] = JudgingCurve.by_state | {"target_errors": "target_error"}

    target: float | None = Field(
        None, description="Measured value, in the unit of the property; null: none.", examples=[None]
    )
    target_error: NonNegativeFloat = Field(0.0, description="Uncertainty of the target, in the same unit.")
    targets: dict[str, float] = Field(
        {},
        description="Measured values for states with their own, by state name, such as {350K: 5.1}.",
        examples=[{}],
    )
    target_errors: dict[str, NonNegativeFloat] = Field(
        {}, description="Uncertainties of targets, by state name.", examples=[{}]
    )

    @property
    def measured(self) -> np.ndarray:
        """The measured number [1]; NaN if there is none."""
        return np.array([np.nan if self.target is None else self.target])

    def measured_as(self, measured: np.ndarray) -> Self:
        """The settings with the number and the uncertainty of a file, whose row is abscissa, value, error."""
        _, value, error = measured[0]
        return self.model_copy(update={"target": float(value), "target_error": float(error)})


class Band(Section):
    range: Range = Field(
        description="First and last wavenumber of the band, cm⁻¹.", examples=[[1000.0, 4000.0]]
    )
    weight: NonNegativeFloat = Field(
        1.0, description="Weight of the band's squared differences, pure number."
    )


class Correlated(PropertySettings):
    """A property computed from a correlation function along the trajectories."""

    tapered: ClassVar[bool] = False  # whether the last lags of its window have no weight

    window: PositiveFloat = Field(
        400.0,
        description="Longest lag of the correlation function, fs; at most twice the trajectory's length.",
    )

    def unsuitable(self, place: Place) -> Iterator[str]:
        """A window shorter than the sampling interval, or longer than the trajectories allow."""
        yield from super().unsuitable(place)
        interval, (expected, longest) = place.interval, place.longest_lag(self.tapered)
        if self.window < interval:
            yield sentence(
                f"{place.key}.window is {self.window:g} fs",
                f"at least trajectory.sampling_interval, {interval:g} fs",
                "lengthen the window or record more often",
            )
        if self.window > longest:
            yield sentence(
                f"{place.key}.window is {self.window:g} fs",
                f"at most {expected}",
                "shorten the window or lengthen the trajectories",
            )


def unknown_states(key: str, named: Iterable[str], config: "Config") -> Iterator[str]:
    """A sentence for each name that no state of the campaign has."""
    states = config.all_states()
    known = {name for label, state in states.items() for name in (label, state.short_label)}
    for name in named:
        if name not in known:
            yield sentence(
                f"{key}.{name} is given", f"the name of a state ({', '.join(states)})", "correct it"
            )


def exchanged_ends(key: str, limits: Sequence[float] | None) -> Iterator[str]:
    """A sentence if the upper end of a range comes first."""
    if limits is not None and limits[0] >= limits[1]:
        yield sentence(f"{key}.range is [{limits[0]:g}, {limits[1]:g}]", "the lower end first", "swap them")


def beyond_measured(measured: Measurement, limits: Sequence[float], unit: str) -> Iterator[str]:
    """A sentence if a range reaches beyond the measured one."""
    first, last = limits
    lowest, highest = measured.abscissa[0], measured.abscissa[-1]
    if first < lowest or last > highest:
        yield sentence(
            f"{measured.section}.range is [{first:g}, {last:g}]",
            f"a part of the measured range, {lowest:g} to {highest:g} {unit} in {measured.path}",
            "narrow it",
        )


def another_unit(measured: Measurement, expected: str, words: tuple[str, ...]) -> Iterator[str]:
    """A sentence if words in the name of an abscissa mean another unit."""
    name = measured.name.lower()
    separate = name.replace("_", " ").replace("(", " ").split(" ")
    if any(word in separate or f"({word})" in name for word in words):
        yield sentence(
            f"{measured.key} is '{measured.path}', whose first column is '{measured.name}'",
            expected,
            "convert them",
        )
