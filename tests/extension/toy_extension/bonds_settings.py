"""Settings of the surface of bond dipoles."""

from pydantic import PositiveFloat

from dynrefine.config.surfaces.base import SurfaceSettings


class Settings(SurfaceSettings):
    """A dipole surface of a few parameters."""

    cutoff: PositiveFloat = 2.5
