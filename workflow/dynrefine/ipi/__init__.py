"""Molecular dynamics and path integrals by i-PI, which moves the atoms and asks for forces over a socket."""
