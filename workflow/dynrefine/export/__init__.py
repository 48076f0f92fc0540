"""Exported potentials: one self-describing file, and clients that run it."""
