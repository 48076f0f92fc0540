"""Fitting the models to ab initio frames."""
