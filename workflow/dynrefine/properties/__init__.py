"""Measured properties that a potential is refined against: one module each, found by its name.

A module of this folder, or one outside the library given by its dotted name, holds a `PROPERTY`: a class as described
in `base`. Gradients and error bars follow from it alone.
"""
