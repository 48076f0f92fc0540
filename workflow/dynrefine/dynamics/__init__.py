"""Integrators and ensembles; every loop over steps is a `lax.scan`, every replica a `vmap`."""
