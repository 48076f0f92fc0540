"""Labelled geometries: fetching, reading, checking, splitting by blocks of time, writing, conversion to arrays.

A frame is an `ase.Atoms`. Its labels are in the calculator: energy (eV), forces (eV/Å), stress (eV/Å³,
negative under pressure), dipole (e Å). `info["source"]` names it by its series and its place in that,
as "340K_12". Import from the modules here, one for each step: `reading` and `writing` also serve where frames are
labelled and JAX is not installed.
"""
