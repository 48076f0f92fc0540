"""What an observed quantity sees of a potential or a dipole surface."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Surface(NamedTuple):
    """An architecture with the parameters at which it is evaluated; these may be traced.

    Attributes:
        architecture: a potential or a dipole surface.
        parameters: {"trainable", "constants"}, trees of arrays.
    """

    architecture: Any
    parameters: Mapping[str, Any]
