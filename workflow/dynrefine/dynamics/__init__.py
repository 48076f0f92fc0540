"""Integrators and ensembles; every loop over steps is a `lax.scan`, replicas side by side."""
