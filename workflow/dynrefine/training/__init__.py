"""Fitting surfaces to ab initio frames: one module for each section of the configuration that describes one."""
