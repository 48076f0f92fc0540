"""Networks of atomic environments, from which several surfaces are built."""
