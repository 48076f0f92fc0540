"""Path integral molecular dynamics by i-PI, for which this process computes the forces."""

import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import numpy as np
import pandas as pd

from dynrefine.config.data import Element
from dynrefine.config.dynamics import RingPolymerSettings
from dynrefine.errors import CampaignError
from dynrefine.files.path_integrals import RingPolymers
from dynrefine.ipi.protocol import FOLDER_AND_PREFIX, Evaluation, Labels, connected, serve

logger = logging.getLogger(__name__)

_TOLD = 1500  # characters shown from the end of i-PI's output when it fails
_STARTING = 60.0  # s that i-PI may take to listen at its socket
# Seconds per bead between i-PI's polls for requests. It sends the requests it finds and fills the batch up with
# copies. If it polls before all beads have made theirs, a step takes two batches, with lists made for other beads.
_LATENCY = 1.5e-4
_KINETIC = ("kinetic_cv", "kinetic_td")  # centroid virial and primitive estimators
_COMPONENTS = (
    (0, 0),
    (1, 1),
    (2, 2),
    (0, 1),
    (0, 2),
    (1, 2),
)  # of the cell in the output of i-PI, vectors as columns


@dataclass(frozen=True)
class Start:
    """Atoms before the first step.

    Attributes:
        elements: in the order of the species indices.
        species: element index of each atom [N].
        positions: [N, 3], Å.
        cell: cell vectors as rows [3, 3], Å.
    """

    elements: Sequence[Element]
    species: np.ndarray
    positions: np.ndarray
    cell: np.ndarray

    @property
    def symbols(self) -> list[str]:
        """Chemical symbols of the atoms."""
        return [self.elements[index].symbol for index in self.species]

    @property
    def masses(self) -> np.ndarray:
        """Masses of the atoms [N], u."""
        return np.array([self.elements[index].mass for index in self.species])

    def turned(self) -> "Start":
        """The same atoms, turned so that the first cell vector is along x and the second in the xy plane."""
        axes, upper = np.linalg.qr(self.cell.T)
        signs = np.sign(np.diag(upper))
        cell = (signs[:, None] * upper).T
        return replace(self, positions=self.positions @ (axes * signs), cell=cell)


@dataclass(frozen=True)
class Surroundings:
    """The surroundings that a ring polymer is coupled to.

    Attributes:
        temperature: K.
        pressure: bar; None at constant volume.
        relaxation: relaxation time of the cell, fs.
    """

    temperature: float
    pressure: float | None = None
    relaxation: float = 1000.0


def simulate(
    start: Start,
    surroundings: Surroundings,
    settings: RingPolymerSettings,
    evaluate: Evaluation,
    seed: int,
) -> RingPolymers:
    """Let i-PI move ring polymers of all atoms; a cell that is not along the axes is turned.

    Arguments:
        start: where all beads begin.
        surroundings: temperature and pressure.
        settings: beads, thermostat, lengths.
        evaluate: forces of all beads at once.
        seed: of the thermostats and of the first velocities.

    Raises:
        CampaignError: i-PI is not installed or failed, or the forces could not be computed.
    """
    address = f"dynrefine_{uuid.uuid4().hex}"  # distinct from that of a killed or parallel job
    with tempfile.TemporaryDirectory(prefix="dynrefine_ipi_") as folder:
        turned = start.turned()
        text = _input(turned, surroundings, settings, address, seed)
        Path(folder, "input.xml").write_text(text, encoding="utf-8")
        Path(folder, "start.xyz").write_text(_xyz(turned), encoding="utf-8")
        _run(Path(folder), address, _telling(evaluate, settings.steps))
        return _read(Path(folder), start, settings)


def _telling(evaluate: Evaluation, steps: int) -> Evaluation:
    """The same function, which also logs every tenth of the steps, since all of them take hours."""
    evaluations = count()  # the first evaluation is before the first step

    def told(cells: np.ndarray, positions: np.ndarray) -> Labels:
        done = next(evaluations)
        if done and done % max(steps // 10, 1) == 0:
            logger.info("step %d of %d", done, steps)
        return evaluate(cells, positions)

    return told


def _run(folder: Path, address: str, evaluate: Evaluation) -> None:
    """Run i-PI on the input in a folder, and serve it until it ends."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    log, socket = folder / "log", Path(FOLDER_AND_PREFIX + address)
    with open(log, "wb") as told:
        ipi = subprocess.Popen(
            [*_watched(folder, socket), _program(), "input.xml"],
            cwd=folder,
            env=environment,
            stdout=told,
            stderr=subprocess.STDOUT,
        )
        try:
            if _listens(ipi, socket):
                serve(connected(_STARTING, "", None, address), evaluate)
            failed = ipi.wait() != 0
        finally:
            ipi.kill()
            ipi.wait()
            socket.unlink(missing_ok=True)
    if failed:
        said = log.read_text(encoding="utf-8", errors="replace").strip()[-_TOLD:]
        raise CampaignError(f"i-PI failed, expected it to run to its end: see its last output below.\n{said}")


def _listens(ipi: subprocess.Popen, socket: Path) -> bool:
    """Wait until i-PI has made its socket; False if it ends before that."""
    while not socket.exists():
        if ipi.poll() is not None:
            return False
        time.sleep(0.05)
    return True


def _watched(folder: Path, socket: Path) -> list[str]:
    """The command that makes a program end with this process, even if that is killed, and remove its files."""
    script = Path(__file__).with_name("watched.py")
    return [sys.executable, "-P", str(script), str(os.getpid()), str(folder), str(socket)]


def _program() -> str:
    """The i-PI beside this Python, or else the one in PATH."""
    beside = Path(sys.executable).with_name("i-pi")
    found = str(beside) if beside.is_file() else shutil.which("i-pi")
    if found is None:
        raise CampaignError(
            "i-pi was not found, expected it beside Python or in PATH, because validation.path_integrals is set: "
            "pip install 'ipi>=3.3'."
        )
    return found


def _input(
    start: Start, surroundings: Surroundings, settings: RingPolymerSettings, address: str, seed: int
) -> str:
    """The input of i-PI."""
    stride = round(settings.sampling_interval / settings.timestep)
    present = [start.elements[index].symbol for index in np.unique(start.species)]
    kinetic = [f"{name}{{electronvolt}}(atom={symbol})" for name in _KINETIC for symbol in present]
    columns = ", ".join(["potential{electronvolt}", "temperature{kelvin}", "cell_h{angstrom}", *kinetic])
    pressure = (
        "" if surroundings.pressure is None else f'<pressure units="bar">{surroundings.pressure}</pressure>'
    )
    return f"""<simulation verbosity="low" threading="False">
  <output prefix="run">
    <properties stride="{stride}" filename="out"> [{columns}] </properties>
    <trajectory stride="{stride}" filename="pos"> positions{{angstrom}} </trajectory>
  </output>
  <total_steps>{settings.steps}</total_steps>
  <prng><seed>{seed % 2**31}</seed></prng>
  <ffsocket mode="unix" name="dynrefine" pbc="False">
    <address>{address}</address>
    <latency>{_LATENCY * settings.beads:g}</latency>
    <batch_size>{settings.beads}</batch_size>
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


def _dynamics(surroundings: Surroundings, settings: RingPolymerSettings) -> str:
    """How the ring polymers move: with a thermostat on each normal mode, and a barostat at constant pressure."""
    relaxation = 1e3 * settings.relaxation
    langevin = f'<thermostat mode="langevin"><tau units="femtosecond">{relaxation}</tau></thermostat>'
    tau = f'<tau units="femtosecond">{surroundings.relaxation}</tau>'
    barostat = f'<barostat mode="isotropic">{tau}{langevin}</barostat>'
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


def _read(folder: Path, start: Start, settings: RingPolymerSettings) -> RingPolymers:
    """What i-PI wrote, without the equilibration and the last point."""
    first = round(1e3 * settings.equilibration / settings.sampling_interval) + 1
    kept = slice(first, first + round(1e3 * settings.length / settings.sampling_interval))
    table = np.loadtxt(folder / "run.out", ndmin=2)[kept]
    beads = [_read_positions(path)[kept] for path in sorted(folder.glob("run.pos_*.xyz"))]
    cells = np.zeros((len(table), 3, 3))
    for (component, vector), values in zip(_COMPONENTS, table[:, 2:8].T, strict=True):
        cells[:, vector, component] = values
    kinetic = np.zeros((2, len(table), len(start.elements)))
    kinetic[:, :, np.unique(start.species)] = np.split(table[:, 8:], 2, axis=1)
    return RingPolymers(
        species=start.species,
        positions=np.stack(beads, axis=1),
        cells=cells,
        potential=table[:, 0],
        virial_kinetic=kinetic[0],
        primitive_kinetic=kinetic[1],
        temperatures=table[:, 1],
    )


def _read_positions(path: Path) -> np.ndarray:
    """One bead's [records, N, 3] in Å."""
    rows = pd.read_csv(path, sep=r"\s+", comment="#", header=None, names=["symbol", "x", "y", "z"])
    atoms = int(rows.symbol.iloc[0])  # the number that begins each record
    return rows[["x", "y", "z"]].to_numpy().reshape(-1, atoms + 1, 3)[:, 1:]
