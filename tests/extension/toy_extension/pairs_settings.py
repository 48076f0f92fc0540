"""Settings of the pair potential."""

from pydantic import PositiveFloat, PositiveInt

from dynrefine.config.surfaces.base import SurfaceSettings


class Settings(SurfaceSettings):
    """A potential that is trained, whose parameters are arrays and have no names."""

    cutoff: PositiveFloat = 3.0
    functions: PositiveInt = 12
