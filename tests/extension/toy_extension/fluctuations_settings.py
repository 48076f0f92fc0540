"""Settings of the fluctuations."""

from typing import Any, ClassVar

from pydantic import Field, PositiveFloat

from dynrefine.config.properties.base import JudgingNumber


class Settings(JudgingNumber):
    """Fluctuation of the energy along trajectories, and the mean square current."""

    along: ClassVar[tuple[str, ...]] = ("toy_extension.current", "toy_extension.energy")
    surfaces: ClassVar[tuple[str, ...]] = ("bonds",)

    target: PositiveFloat = Field(description="Mean square change of the energy in an interval, eV².")

    @classmethod
    def example(cls) -> dict[str, Any]:
        return {"target": 0.01}
