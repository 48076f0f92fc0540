"""Array files: NPZ with units and provenance inside, complete or absent, never pickled."""

import json
import os
import zipfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from dynrefine import __version__
from dynrefine.errors import CampaignError

_METADATA = "__metadata__"

Content = TypeVar("Content")

_origin: ContextVar[dict[str, Any] | None] = ContextVar("origin", default=None)


@dataclass(frozen=True)
class ArrayFile:
    """The content of one array file.

    Attributes:
        arrays: the arrays by name; a slash in a name groups them ("series/dipole_derivative").
        units: the unit of each array by name; "1" for pure numbers.
        metadata: everything else that is JSON: kind, seed, config hash, library version, settings.
    """

    arrays: dict[str, np.ndarray]
    units: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def passed_through(self) -> bool:
        """Whether the job that wrote the file had nothing to do."""
        return bool(self.metadata.get("passed_through", False))

    def group(self, name: str) -> dict[str, np.ndarray]:
        """The arrays whose names begin with "name/", by the rest of their names."""
        return _below(name, self.arrays)

    def units_of(self, name: str) -> dict[str, str]:
        """The units of the arrays of a group, by the same names."""
        return _below(name, self.units)


def _below(name: str, entries: Mapping[str, Content]) -> dict[str, Content]:
    prefix = f"{name}/"
    return {key.removeprefix(prefix): entry for key, entry in entries.items() if key.startswith(prefix)}


@contextmanager
def atomic_path(path: str | Path) -> Generator[Path]:
    """A temporary path beside `path` that takes its place only when the block ends without an error."""
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise CampaignError(
            f"{path} could not be written ({error.strerror}): free some space or make its folder writable, "
            "then start the campaign again; nothing finished before is lost."
        ) from error


@contextmanager
def origin(**facts: Any) -> Generator[None]:
    """Facts (JSON) that go into the metadata of every array file written within: rule, seed, config hash."""
    token = _origin.set({**(_origin.get() or {}), **facts})
    try:
        yield
    finally:
        _origin.reset(token)


def write_arrays(path: str | Path, kind: str, content: ArrayFile) -> None:
    """Write an array file; every array needs a unit.

    Arguments:
        path: the file to write (.npz).
        kind: what the file holds, checked again by `read_arrays` ("potential", "ensemble", ...).
        content: arrays, their units and further metadata.
    """
    without_unit = sorted(set(content.arrays) - set(content.units))
    if without_unit:
        raise ValueError(f"arrays without a unit in {path}: {', '.join(without_unit)}")
    header = {
        **content.metadata,  # comes first, as it may stem from another file with an origin of its own
        "kind": kind,
        "library_version": __version__,
        "units": content.units,
        "origin": _origin.get() or {},
    }
    arrays = {name: np.asarray(array) for name, array in content.arrays.items()}
    arrays[_METADATA] = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    with atomic_path(path) as temporary, open(temporary, "wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays)


def required(content: Content | None) -> Content:
    """The content of a file whose job cannot have passed through."""
    if content is None:
        raise ValueError("the job that wrote this file passed through, so the file holds nothing")
    return content


def write_passed_through(path: str | Path, kind: str) -> None:
    """Write a file without arrays, for a job that had nothing to do because the refinement had converged."""
    write_arrays(path, kind, ArrayFile({}, metadata={"passed_through": True}))


def read_arrays(path: str | Path, kind: str) -> ArrayFile:
    """Read an array file of the given kind.

    Raises:
        CampaignError: the file is missing, truncated, of another kind or from another library version.
    """
    with _archive(path, kind) as archive:
        arrays = {name: archive[name] for name in archive.files}
        metadata = json.loads(arrays.pop(_METADATA).tobytes())
    if metadata["kind"] != kind:
        raise CampaignError(
            f"{path} holds '{metadata['kind']}' where '{kind}' was expected: give another file."
        )
    version = metadata["library_version"]
    if version.split(".")[:2] != __version__.split(".")[:2]:
        raise CampaignError(
            f"{path} was written by dynrefine {version}, this is {__version__}: "
            "make the file again with this version or install the version that wrote it."
        )
    return ArrayFile(arrays, metadata.pop("units"), metadata)


def read_origin(path: str | Path) -> dict[str, Any]:
    """The rule, wildcards and seed of the job that made an array file; its arrays are not read.

    Raises:
        CampaignError: the file is missing or truncated.
    """
    return read_metadata(path)["origin"]


def read_kind(path: str | Path) -> str:
    """The kind of content that an array file holds.

    Raises:
        CampaignError: the file is missing or truncated.
    """
    return read_metadata(path)["kind"]


def read_metadata(path: str | Path) -> dict[str, Any]:
    """The metadata of an array file; its arrays are not read.

    Raises:
        CampaignError: the file is missing or truncated.
    """
    with _archive(path, "array") as archive:
        return json.loads(archive[_METADATA].tobytes())


@contextmanager
def _archive(path: str | Path, kind: str) -> Generator[Any]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            yield archive
    except FileNotFoundError as error:
        raise CampaignError(
            f"{path} does not exist: expected a {kind} file; run the rule that makes it."
        ) from error
    except (zipfile.BadZipFile, EOFError, KeyError, ValueError, OSError) as error:
        raise CampaignError(
            f"{path} is truncated or not an array file of dynrefine: delete it and run the rule that makes it again."
        ) from error
