"""Programs compiled faster that run slower, in this process and in those of campaigns."""

from collections.abc import Generator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

import jax
import pytest
from jax._src import compiler

# What JAX does not offer of XLA's options. The older of two generators of code for CPUs takes half the time (jaxlib
# 0.10.1: an adjoint 2.2 s instead of 3.9 s); later releases have only the other. Parts are not worth a thread each.
OPTIONS = {"xla_cpu_parallel_codegen_split_count": 1}
if version("jaxlib").startswith("0.10."):
    OPTIONS["xla_cpu_use_fusion_emitters"] = False

ENVIRONMENT = {
    "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
    "XLA_FLAGS": " ".join(f"--{name}={value}".lower() for name, value in OPTIONS.items()),
}

_options_of_jax = compiler.get_compile_options


@contextmanager
def compiled_fast(fast: bool) -> Generator[None]:
    """Compile so, or as campaigns do, what is compiled within."""
    former = jax.config.read("jax_disable_most_optimizations")

    def options(*arguments: Any, **named: Any) -> Any:
        chosen = _options_of_jax(*arguments, **named)
        if fast:
            chosen.env_option_overrides = [*chosen.env_option_overrides, *OPTIONS.items()]
        return chosen

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiler, "get_compile_options", options)
        jax.config.update("jax_disable_most_optimizations", fast)
        yield
        jax.config.update("jax_disable_most_optimizations", former)
