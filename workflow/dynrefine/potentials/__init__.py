"""Potential energy surfaces: one file each, one line in the registry.

A potential is a frozen dataclass of its architecture with `cutoff`, `from_settings`, `initial_parameters` and
`energy`; its parameters are a tree {"trainable": ..., "constants": ...}, of which only the first is refined. It may
have `forces_and_pullback` of its own, where that is faster than to differentiate its energy automatically.
"""

from dynrefine.potentials.eann import EmbeddedAtomNetwork
from dynrefine.potentials.lennard_jones import LennardJones

POTENTIALS = {
    "eann": EmbeddedAtomNetwork,
    "lennard_jones": LennardJones,
}
