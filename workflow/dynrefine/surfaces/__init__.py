"""Surfaces: potentials and other functions of the atoms, such as dipoles; one module each, found by its name.

A module of this folder, or one outside the library given by its dotted name, holds a `SURFACE`: the class of the
architecture, as described in `base`.
"""
