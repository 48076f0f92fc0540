"""The protocol in which i-PI requests energies, forces and virials of one structure or a batch of them."""

import socket
import time
from collections.abc import Callable
from io import BufferedRWPair
from typing import NamedTuple

import numpy as np

from dynrefine.errors import CampaignError
from dynrefine.units import BOHR, HARTREE

FOLDER_AND_PREFIX = "/tmp/ipi_"  # of UNIX sockets, as i-PI names them
_HEADER = 12  # bytes in the name of a message


class Labels(NamedTuple):
    """Labels of B structures: energies [B] in eV, forces [B, N, 3] in eV/Å, stresses [B, 3, 3] in eV/Å³."""

    energies: np.ndarray
    forces: np.ndarray
    stresses: np.ndarray


Evaluation = Callable[[np.ndarray, np.ndarray], Labels]
"""From cells [B, 3, 3], vectors as rows, and positions [B, N, 3] in Å to their labels."""


def connected(seconds: float, host: str, port: int | None, unix: str | None) -> socket.socket:
    """A connection to the i-PI that listens at a port of a host, or at a UNIX socket of this name.

    Arguments:
        seconds: how long to wait for it.
        host, port, unix: as in the `ffsocket` of i-PI's input.

    Raises:
        CampaignError: nothing listens there.
    """
    family, address = (
        (socket.AF_INET, (host, port)) if unix is None else (socket.AF_UNIX, FOLDER_AND_PREFIX + unix)
    )
    until = time.monotonic() + seconds
    while True:
        server = socket.socket(family)
        try:
            server.connect(address)
        except (ConnectionRefusedError, FileNotFoundError) as error:
            server.close()
            if time.monotonic() > until:
                place = f"UNIX socket {address}" if unix else f"port {port} of {host}"
                raise CampaignError(
                    f"no i-PI listens at {place} after {seconds:g} s: start i-pi with the same address in ffsocket."
                ) from error
            time.sleep(0.2)
        else:
            return server


def serve(server: socket.socket, evaluate: Evaluation) -> None:
    """Answer i-PI until it ends.

    Arguments:
        server: the connection to it.
        evaluate: computes labels for all structures of a batch (`batch_size` in `ffsocket`) at once.

    Raises:
        CampaignError: i-PI sends an unknown message.
    """
    batch, labels = 0, None
    with server, server.makefile("rwb") as stream:
        while name := _header(stream):
            if name == b"STATUS":
                _answer(stream, b"NEEDINIT" if not batch else b"READY" if labels is None else b"HAVEDATA")
            elif name == b"INIT":
                batch = _batch_size(stream)
            elif name == b"POSDATA":
                cells, positions = _structures(stream, batch)
                labels = evaluate(cells, positions), np.abs(np.linalg.det(cells))
            elif name == b"GETFORCE" and labels is not None:
                _answer(stream, b"FORCEREADY", _in_atomic_units(*labels))
                labels = None
            elif name == b"EXIT":
                return
            else:
                raise CampaignError(
                    f"i-PI asks for {name.decode(errors='replace')!r}, expected a message of its protocol: use "
                    "i-PI 3.3 or newer."
                )


def _header(stream: BufferedRWPair) -> bytes:
    """The name of the next message; empty where i-PI has gone."""
    try:
        return stream.read(_HEADER).strip()
    except ConnectionResetError:
        return b""


def _answer(stream: BufferedRWPair, name: bytes, content: bytes = b"") -> None:
    stream.write(name.ljust(_HEADER) + content)
    stream.flush()


def _batch_size(stream: BufferedRWPair) -> int:
    """The number of structures per batch, which i-PI sends among its parameters, as in "batch_size:32"."""
    _, length = np.frombuffer(stream.read(8), np.int32)
    given = [text.partition(":") for text in stream.read(int(length)).decode().split(",")]
    parameters = {name.strip(): value for name, _, value in given}
    return int(parameters.get("batch_size", 1))


def _structures(stream: BufferedRWPair, batch: int) -> tuple[np.ndarray, np.ndarray]:
    """Cells [B, 3, 3], vectors as rows, and positions [B, N, 3] in Å; a batch begins with the number of atoms."""
    atoms = _integer(stream) if batch > 1 else 0
    cells = _floats(stream, batch, 2, 3, 3)[:, 0]  # each comes with its inverse
    atoms = atoms or _integer(stream)
    return BOHR * cells.swapaxes(1, 2), BOHR * _floats(stream, batch, atoms, 3)


def _in_atomic_units(labels: Labels, volumes: np.ndarray) -> bytes:
    """Energies, number of atoms, forces and virials, then the length of further text about each structure."""
    virials = -labels.stresses * volumes[:, None, None]
    parts = labels.energies / HARTREE, labels.forces * (BOHR / HARTREE), virials / HARTREE
    energies, forces, virials = (np.asarray(part, np.float64).tobytes() for part in parts)
    atoms, nothing = np.int32(labels.forces.shape[1]), np.zeros(len(volumes), np.int32)
    return energies + atoms.tobytes() + forces + virials + nothing.tobytes()


def _integer(stream: BufferedRWPair) -> int:
    return int(np.frombuffer(stream.read(4), np.int32)[0])


def _floats(stream: BufferedRWPair, *shape: int) -> np.ndarray:
    return np.frombuffer(stream.read(8 * int(np.prod(shape))), np.float64).reshape(shape)
