"""The ASE calculator for potentials made by dynrefine."""

from dynrefine.export.calculator import DynrefineCalculator

__all__ = ["DynrefineCalculator"]
