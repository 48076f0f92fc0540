"""Measured properties that a potential is refined against: one file each, one line in the registry.

An observable is a frozen dataclass that says which series of a trajectory it needs (`series`), what it averages
over replicas (`statistic`), how the property follows from the average (`predict`) and how far that is from the
measurement (`loss`). Gradients and error bars follow from these alone.
"""

from dynrefine.observables.infrared import Infrared

OBSERVABLES = {
    "infrared": Infrared,
}
