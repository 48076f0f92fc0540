"""Quantities that can be observed at a point of phase space, one module each, found by its name.

A module in this folder, or one outside the library given by its dotted name, holds a `QUANTITY`. A quantity can be
observed along trajectories, or at their starting points alone.
"""
