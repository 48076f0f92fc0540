"""Path integral molecular dynamics by i-PI, whose forces this process computes."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from dynrefine.config.dynamics import PathIntegralSettings
from dynrefine.errors import CampaignError
from dynrefine.ipi.protocol import FOLDER_AND_PREFIX, Evaluation, connected, serve

_TOLD = 1500  # characters of what i-PI said before it failed
_STARTING = 60.0  # s that i-PI may take to listen at its socket
_COMPONENTS = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))  # in which i-PI tells its cell, vectors as columns


@dataclass(frozen=True)
class Start:
    """Atoms before the first step.

    Attributes:
        symbols: chemical symbols of the atoms.
        masses: u [N].
        positions: [N, 3], Å.
        cell: cell vectors as rows [3, 3], Å.
    """

    symbols: Sequence[str]
    masses: np.ndarray
    positions: np.ndarray
    cell: np.ndarray


@dataclass(frozen=True)
class Surroundings:
    """What a ring polymer is coupled to.

    Attributes:
        temperature: K.
        pressure: bar; none at constant volume.
        relaxation: of the cell, fs.
    """

    temperature: float
    pressure: float | None = None
    relaxation: float = 1000.0


@dataclass(frozen=True)
class Recorded:
    """What i-PI recorded after the equilibration.

    Attributes:
        positions: of the beads [records, P, N, 3], Å.
        cells: cell vectors as rows [records, 3, 3], Å.
        potential: mean potential energy of the beads [records], eV.
        virial_kinetic: centroid virial estimates of the kinetic energy by element [records], eV.
        primitive_kinetic: primitive estimates of the same.
        temperatures: kinetic temperature of the ring polymers [records], K.
    """

    positions: np.ndarray
    cells: np.ndarray
    potential: np.ndarray
    virial_kinetic: Mapping[str, np.ndarray]
    primitive_kinetic: Mapping[str, np.ndarray]
    temperatures: np.ndarray


def simulate(
    start: Start,
    surroundings: Surroundings,
    settings: PathIntegralSettings,
    evaluate: Evaluation,
    seed: int,
) -> Recorded:
    """Let i-PI move ring polymers of all atoms; a cell that is not along the axes is turned.

    Arguments:
        start: where all beads are in the beginning.
        surroundings: temperature and pressure.
        settings: beads, thermostat, lengths.
        evaluate: forces of all beads at once.
        seed: of the thermostats and of the first velocities.

    Raises:
        CampaignError: i-PI is not installed or failed, or the forces could not be computed.
    """
    address = f"dynrefine_{uuid.uuid4().hex}"  # not that of a job that was killed, or of another one beside
    with tempfile.TemporaryDirectory(prefix="dynrefine_ipi_") as folder:
        turned = _turned(start)
        text = _input(turned, surroundings, settings, address, seed)
        Path(folder, "input.xml").write_text(text, encoding="utf-8")
        Path(folder, "start.xyz").write_text(_xyz(turned), encoding="utf-8")
        _run(Path(folder), address, evaluate)
        return _read(Path(folder), sorted(set(start.symbols)), settings)


def _run(folder: Path, address: str, evaluate: Evaluation) -> None:
    """Serve an i-PI that runs the input in a folder until it ends."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    log = folder / "log"
    with open(log, "wb") as told:
        ipi = subprocess.Popen(
            [_program(), "input.xml"], cwd=folder, env=environment, stdout=told, stderr=subprocess.STDOUT
        )
        try:
            if _listens(ipi, address):
                serve(connected(_STARTING, "", None, address), evaluate)
            failed = ipi.wait() != 0
        finally:
            ipi.kill()
            ipi.wait()
            Path(FOLDER_AND_PREFIX + address).unlink(missing_ok=True)
    if failed:
        said = log.read_text(encoding="utf-8", errors="replace").strip()[-_TOLD:]
        raise CampaignError(f"i-PI failed, expected it to run to its end: see what it said.\n{said}")


def _listens(ipi: subprocess.Popen, address: str) -> bool:
    """Wait until i-PI has made its socket; false where it ends before that."""
    while not Path(FOLDER_AND_PREFIX + address).exists():
        if ipi.poll() is not None:
            return False
        time.sleep(0.05)
    return True


def _program() -> str:
    """The i-PI beside this Python, or else in the path."""
    beside = Path(sys.executable).with_name("i-pi")
    found = str(beside) if beside.is_file() else shutil.which("i-pi")
    if found is None:
        raise CampaignError(
            "i-pi was not found, expected it beside Python or in PATH, since validation.path_integrals is given: "
            "pip install 'ipi>=3.3'."
        )
    return found


def _turned(start: Start) -> Start:
    """The atoms in a cell whose first vector is along x and whose second one is in the plane of x and y."""
    axes, upper = np.linalg.qr(start.cell.T)
    signs = np.sign(np.diag(upper))
    return Start(start.symbols, start.masses, start.positions @ (axes * signs), (signs[:, None] * upper).T)


def _input(
    start: Start, surroundings: Surroundings, settings: PathIntegralSettings, address: str, seed: int
) -> str:
    """The input of i-PI."""
    steps = round(1e3 * (settings.equilibration + settings.length) / settings.timestep)
    stride = round(settings.sampling_interval / settings.timestep)
    kinetic = [
        f"{estimator}(atom={symbol}){{electronvolt}}"
        for estimator in ("kinetic_cv", "kinetic_td")
        for symbol in sorted(set(start.symbols))
    ]
    columns = ", ".join(["potential{electronvolt}", "temperature{kelvin}", "cell_h{angstrom}", *kinetic])
    pressure = (
        "" if surroundings.pressure is None else f'<pressure units="bar">{surroundings.pressure}</pressure>'
    )
    return f"""<simulation verbosity="low" threading="False">
  <output prefix="run">
    <properties stride="{stride}" filename="out"> [{columns}] </properties>
    <trajectory stride="{stride}" filename="pos"> positions{{angstrom}} </trajectory>
  </output>
  <total_steps>{steps}</total_steps>
  <prng><seed>{seed % 2**31}</seed></prng>
  <ffsocket mode="unix" name="dynrefine" pbc="False">
    <address>{address}</address>
    <latency>1e-4</latency>
    <batch_size>{settings.beads}</batch_size>
    <exit_on_disconnect>True</exit_on_disconnect>
  </ffsocket>
  <system>
    <initialize nbeads="{settings.beads}">
      <file mode="xyz" units="angstrom">start.xyz</file>
      <masses mode="manual" units="dalton">{_numbers(start.masses)}</masses>
      <cell mode="manual" units="angstrom">{_numbers(start.cell.T)}</cell>
      <velocities mode="thermal" units="kelvin">{surroundings.temperature}</velocities>
    </initialize>
    <forces><force forcefield="dynrefine"/></forces>
    <ensemble><temperature units="kelvin">{surroundings.temperature}</temperature>{pressure}</ensemble>
    <motion mode="dynamics">{_dynamics(surroundings, settings)}</motion>
  </system>
</simulation>
"""


def _dynamics(surroundings: Surroundings, settings: PathIntegralSettings) -> str:
    """How the ring polymers move: a thermostat on each normal mode, and a barostat where the pressure is held."""
    relaxation = 1e3 * settings.relaxation
    langevin = f'<thermostat mode="langevin"><tau units="femtosecond">{relaxation}</tau></thermostat>'
    barostat = (
        f'<barostat mode="isotropic"><tau units="femtosecond">{surroundings.relaxation}</tau>{langevin}</barostat>'
    )
    return f"""
      <dynamics mode="{"nvt" if surroundings.pressure is None else "npt"}">
        <timestep units="femtosecond">{settings.timestep}</timestep>
        <thermostat mode="{settings.thermostat}"><tau units="femtosecond">{relaxation}</tau></thermostat>
        {"" if surroundings.pressure is None else barostat}
      </dynamics>"""


def _xyz(start: Start) -> str:
    rows = zip(start.symbols, start.positions, strict=True)
    lines = [f"{symbol} {' '.join(f'{value:.12g}' for value in place)}" for symbol, place in rows]
    return "\n".join([str(len(lines)), "#", *lines, ""])


def _numbers(values: np.ndarray) -> str:
    return f"[{', '.join(f'{value:.12g}' for value in values.ravel())}]"


def _read(folder: Path, symbols: Sequence[str], settings: PathIntegralSettings) -> Recorded:
    """What i-PI wrote, without the equilibration and the point where it ended."""
    table = np.loadtxt(folder / "run.out", ndmin=2)
    beads = np.stack([_read_positions(path) for path in sorted(folder.glob("run.pos_*.xyz"))], axis=1)
    first = round(1e3 * settings.equilibration / settings.sampling_interval) + 1
    recorded = round(1e3 * settings.length / settings.sampling_interval)
    kept = slice(first, first + recorded)
    potential, temperatures = table[kept, :2].T
    cells = np.zeros((len(potential), 3, 3))
    for (component, vector), values in zip(_COMPONENTS, table[kept, 2:8].T, strict=True):
        cells[:, vector, component] = values
    virial, primitive = np.split(table[kept, 8:].T, 2)
    return Recorded(
        positions=beads[kept],
        cells=cells,
        potential=potential,
        virial_kinetic=dict(zip(symbols, virial, strict=True)),
        primitive_kinetic=dict(zip(symbols, primitive, strict=True)),
        temperatures=temperatures,
    )


def _read_positions(path: Path) -> np.ndarray:
    """One bead's [records, N, 3] in Å."""
    rows = pd.read_csv(path, sep=r"\s+", comment="#", header=None, names=["symbol", "x", "y", "z"])
    atoms = int(rows.symbol.iloc[0])  # which leads each record
    return rows[["x", "y", "z"]].to_numpy().reshape(-1, atoms + 1, 3)[:, 1:]
