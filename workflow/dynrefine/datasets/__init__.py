"""Labelled geometries: fetching, reading, checking, splitting by blocks of time, writing, as arrays.

A frame is an `ase.Atoms`. Its labels lie in the calculator: energy (eV), forces (eV/Å), stress (eV/Å³,
negative under pressure), dipole (e Å). `info["source"]` names it by its series and its place in it,
"340K_12".
"""

from dynrefine.datasets.arrays import from_arrays, to_arrays
from dynrefine.datasets.checking import check_frames
from dynrefine.datasets.fetching import fetch, fetch_folder
from dynrefine.datasets.reading import dipole_from_wannier, read_frames
from dynrefine.datasets.splitting import series_and_index, split_by_blocks, summary
from dynrefine.datasets.writing import geometry_key, write_frames

__all__ = [
    "check_frames",
    "dipole_from_wannier",
    "fetch",
    "fetch_folder",
    "from_arrays",
    "geometry_key",
    "read_frames",
    "series_and_index",
    "split_by_blocks",
    "summary",
    "to_arrays",
    "write_frames",
]
