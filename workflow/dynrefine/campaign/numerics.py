"""How JAX computes in every job: precision of numbers and of matrix products."""

from collections.abc import Generator
from contextlib import contextmanager

import jax


def configure_numerics(precision: str) -> None:
    """Choose how JAX computes in this process; call it before the first computation.

    Arguments:
        precision: "float32" or "float64".
    """
    jax.config.update("jax_enable_x64", precision == "float64")
    # GPUs otherwise round the factors of matrix products to ten bits.
    jax.config.update("jax_default_matmul_precision", "highest")


@contextmanager
def numerics(precision: str) -> Generator[None]:
    """The same within a block, in a process that is configured by others."""
    with jax.enable_x64(precision == "float64"), jax.default_matmul_precision("highest"):
        yield
