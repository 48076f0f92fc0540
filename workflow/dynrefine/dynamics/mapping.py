"""One function for many replicas or frames."""

from collections.abc import Callable
from typing import Any

import jax


def for_each(function: Callable[..., Any], batch: int | None = None) -> Callable[..., Any]:
    """Map a function over the first axis of its arguments: all at once on an accelerator, one by one on a CPU.

    What a single trajectory needs stays in the cache of a CPU: several at once take half as long again for each.

    Arguments:
        function: of one replica or frame.
        batch: how many at once on an accelerator, where memory does not suffice for all.
    """
    if jax.default_backend() == "cpu":
        batch = None
    elif batch is None:
        return jax.vmap(function)
    return lambda *arguments: jax.lax.map(lambda each: function(*each), arguments, batch_size=batch)
