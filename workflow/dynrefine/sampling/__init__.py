"""Starting points and trajectories.

A sampler is a module of this folder, or one outside the library given by its dotted name, that holds a `SAMPLER`: a
function (potential, starts, settings, seed) -> Ensemble, as in `canonical`.
"""
