"""Import what campaigns import, once, so that Python keeps it compiled, which is most of a job's start otherwise.

Run it where the environment was installed without compiling, with PYTHONDONTWRITEBYTECODE unset.
"""

import importlib
import pkgutil

import jax
import snakemake.cli  # noqa: F401

import dynrefine

for module in pkgutil.walk_packages(dynrefine.__path__, "dynrefine."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
# JAX imports the rest of itself when it compiles.
jax.jit(jax.grad(lambda x: x @ x))(jax.numpy.ones(3))
