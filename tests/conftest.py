"""All tests compute in double precision; those of single precision cast."""

import jax

jax.config.update("jax_enable_x64", True)
