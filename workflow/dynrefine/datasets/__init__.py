"""Labelled geometries: fetching, reading, checking, splitting by blocks of time, writing, as arrays.

A frame is an `ase.Atoms`. Its labels lie in the calculator: energy (eV), forces (eV/Å), stress (eV/Å³,
negative under pressure), dipole (e Å). `info["source"]` names it by its series and its place in it,
"340K_12". Import from the modules here, each of which knows of one step alone: `reading` and `writing` are used where
frames are labelled and JAX is not installed.
"""
