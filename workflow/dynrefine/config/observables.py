"""Settings of the observables a potential can be refined against: a class and a line in OBSERVABLES each."""

from typing import Annotated, Any, ClassVar

from pydantic import Field

from dynrefine.config.base import NonNegativeFloat, PositiveFloat, Section


class ObservableSettings(Section):
    """What every observable needs; `series` are the quantities it needs along a trajectory."""

    series: ClassVar[tuple[str, ...]] = ()

    target: str = Field(description="CSV file of the measured property.")
    weight: PositiveFloat = Field(1.0, description="Weight in the objective, pure number.")

    @classmethod
    def example(cls) -> dict[str, Any]:
        """What a campaign writes at least."""
        raise NotImplementedError


class Band(Section):
    range: Annotated[list[NonNegativeFloat], Field(min_length=2, max_length=2)] = Field(
        description="First and last wavenumber of the band, cm⁻¹.", examples=[[1000.0, 4000.0]]
    )
    weight: NonNegativeFloat = Field(
        1.0, description="Weight of the band's squared differences, pure number."
    )


class InfraredSettings(ObservableSettings):
    """Infrared absorption n(ν)α(ν)."""

    series: ClassVar[tuple[str, ...]] = ("dipole_derivative",)

    window: PositiveFloat = Field(
        400.0,
        description="Longest lag of the dipole correlation, fs; at most twice the trajectory's length.",
    )
    resolution: PositiveFloat = Field(
        20.0, description="Distance of the wavenumbers at which spectra are compared, cm⁻¹."
    )
    bands: Annotated[list[Band], Field(min_length=1)] = Field(
        [Band(range=[100.0, 1000.0], weight=10.0), Band(range=[1000.0, 4000.0], weight=1.0)],
        description="Parts of the spectrum that are compared.",
    )

    @classmethod
    def example(cls) -> dict[str, Any]:
        return {"target": "workflow/data/targets/water_infrared_298K.csv"}


OBSERVABLES: dict[str, type[ObservableSettings]] = {
    "infrared": InfraredSettings,
}
