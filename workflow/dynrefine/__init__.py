"""Refine machine-learned potentials against measured dynamical properties by differentiating molecular dynamics."""

__version__ = "0.1.0"
