"""Networks of atomic environments, which several surfaces are made of."""
