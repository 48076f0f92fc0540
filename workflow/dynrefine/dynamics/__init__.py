"""Integrators and ensembles; loops over steps are `lax.scan`s, with replicas side by side."""
