"""Compute energies, forces and stresses for i-PI over its socket."""

import argparse
import sys
import time
from pathlib import Path

from ase import Atoms
from ase.calculators.socketio import SocketClient
from ase.io import read

from dynrefine.errors import CampaignError
from dynrefine.export.calculator import DynrefineCalculator


def connected(seconds: float, host: str, port: int | None, unix: str | None) -> SocketClient:
    """A client of the i-PI that listens at a port of a host, or at a UNIX socket by its name.

    Arguments:
        seconds: to wait for it.
        host, port, unix: as in the `ffsocket` of i-PI's input.

    Raises:
        CampaignError: nothing listens there.
    """
    until = time.monotonic() + seconds
    while True:
        try:
            return SocketClient(host=host, port=port, unixsocket=unix)
        except (ConnectionRefusedError, FileNotFoundError) as error:
            if time.monotonic() > until:
                place = f"UNIX socket /tmp/ipi_{unix}" if unix else f"port {port} of {host}"
                raise CampaignError(
                    f"no i-PI listens at {place} after {seconds:g} s: start i-pi with the same address in ffsocket."
                ) from error
            time.sleep(0.2)


def main() -> None:
    """Read the command line and serve until i-PI ends."""
    parser = argparse.ArgumentParser(prog="python -m dynrefine.export.ipi", description=__doc__)
    parser.add_argument("potential", type=Path, help="exported potential")
    parser.add_argument(
        "atoms", type=Path, help="file with the atoms in the order of i-PI's, their cell is i-PI's"
    )
    parser.add_argument("--host", default="localhost", help="address in ffsocket")
    parser.add_argument("--port", type=int, help="port in ffsocket")
    parser.add_argument("--unix", help='address in ffsocket with mode="unix"')
    parser.add_argument("--precision", choices=["float32", "float64"], default="float64")
    parser.add_argument("--isolated", action="store_true", help="without periodic images")
    parser.add_argument("--wait", type=float, default=60.0, help="seconds to wait for i-PI")
    options = parser.parse_args()
    if (options.port is None) == (options.unix is None):
        parser.error("give either --port or --unix, as in ffsocket")
    atoms = read(options.atoms, index=0)
    assert isinstance(atoms, Atoms)
    atoms.pbc = not options.isolated
    atoms.calc = DynrefineCalculator(options.potential, precision=options.precision)
    connected(options.wait, options.host, options.port, options.unix).run(
        atoms, use_stress=not options.isolated
    )


if __name__ == "__main__":
    try:
        main()
    except CampaignError as error:
        sys.exit(f"error: {error}")
