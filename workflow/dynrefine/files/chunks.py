"""Which chunk of which state a file holds, as the file itself says, whatever its place in a list."""

from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from dynrefine.errors import CampaignError
from dynrefine.files.arrays import Content, read_origin

_REMEDY = "delete the file and give the same command again."


def require_chunk(path: str | Path, state: str, number: int) -> None:
    """Make sure that a file holds this chunk.

    Raises:
        CampaignError: it holds another one.
    """
    found = _chunk_of(path)
    if found != (state, number):
        raise CampaignError(
            f"{path} holds chunk {found[1]} of state {found[0]}, expected chunk {number} of {state}: {_REMEDY}"
        )


def by_state(paths: Iterable[str | Path], states: Collection[str]) -> dict[str, list[str | Path]]:
    """The files of the chunks of each state, in their order.

    Arguments:
        paths: of files of one kind, in any order.
        states: labels of the states in their order.

    Raises:
        CampaignError: a file belongs to another state, two hold the same chunk, or one is missing.
    """
    found: dict[tuple[str, int], str | Path] = {}
    for path in paths:
        chunk = _chunk_of(path)
        if chunk[0] not in states:
            raise CampaignError(
                f"{path} belongs to state {chunk[0]}, expected one of {', '.join(states)}: {_REMEDY}"
            )
        if chunk in found:
            raise CampaignError(
                f"{path} and {found[chunk]} both hold chunk {chunk[1]} of state {chunk[0]}, expected one file for "
                f"each chunk: {_REMEDY}"
            )
        found[chunk] = path
    each = len(found) // len(states)
    wanted = [(state, number) for state in states for number in range(each)]
    if found.keys() != set(wanted):
        held = ", ".join(f"{state} {number}" for state, number in sorted(found))
        raise CampaignError(
            f"the chunks {held} were given, expected equally many for each of the states {', '.join(states)}, "
            "numbered from 0: run the rules that make the others."
        )
    return {state: [found[state, number] for number in range(each)] for state in states}


def read_by_state(
    read: Callable[[str | Path], Content], paths: Iterable[str | Path], states: Collection[str]
) -> dict[str, list[Content]]:
    """The contents of the chunks of each state, in their order.

    Arguments:
        read: reads one file.
        paths: of files of one kind, in any order.
        states: labels of the states in their order.

    Raises:
        CampaignError: as in `by_state`.
    """
    return {state: [read(path) for path in own] for state, own in by_state(paths, states).items()}


def _chunk_of(path: str | Path) -> tuple[str, int]:
    wildcards = read_origin(path).get("wildcards", {})
    if not {"state", "chunk"} <= set(wildcards):
        raise CampaignError(f"{path} does not say which chunk of which state it holds: {_REMEDY}")
    return wildcards["state"], int(wildcards["chunk"])
