"""What can be observed at a point of phase space: one module each, found by its name.

A module of this folder, or one outside the library given by its dotted name, holds a `QUANTITY`. The same quantity
may be observed along trajectories or at their starting points alone.
"""
