"""A potential, a surface, quantities, a property and a sampler that the library knows nothing of."""
