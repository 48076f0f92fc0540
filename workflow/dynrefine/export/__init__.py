"""Potentials that leave the campaign: one file that describes itself, and clients that run it."""
