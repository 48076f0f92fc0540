"""Molecular dynamics and path integrals by i-PI, which moves the atoms and requests forces over a socket."""
