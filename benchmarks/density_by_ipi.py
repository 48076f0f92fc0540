"""The density of a potential at constant pressure, by i-PI with the library's driver and by the campaign's sampler.

    python benchmarks/density_by_ipi.py workflow/data/water64/potential.npz results/water/dataset/train.extxyz

Both begin at frames of a file. Prints a line for each, with a standard error from chains, or from blocks of one.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from ase import Atoms
from ase.io import write
from sampled import sampled, sampling_settings

from dynrefine.campaign.numerics import configure_numerics
from dynrefine.config.dynamics import ReusedSettings, State
from dynrefine.datasets.reading import read_frames
from dynrefine.files.models import read_surfaces
from dynrefine.statistics import standard_error
from dynrefine.units import GRAM_PER_CUBIC_CENTIMETRE

INPUT = """
<simulation verbosity="low" threading="False">
  <output prefix="run"><properties stride="20" filename="out"> [volume{{angstrom3}}] </properties></output>
  <total_steps>{steps}</total_steps>
  <prng><seed>{seed}</seed></prng>
  <ffsocket mode="unix" name="dynrefine" pbc="False">
    <address>{address}</address> <latency>1e-4</latency>
  </ffsocket>
  <system>
    <initialize nbeads="1">
      <file mode="ase">start.extxyz</file>
      <masses mode="manual" units="dalton">{masses}</masses>
      <velocities mode="thermal" units="kelvin">{temperature}</velocities>
    </initialize>
    <forces><force forcefield="dynrefine"/></forces>
    <ensemble>
      <temperature units="kelvin">{temperature}</temperature>
      <pressure units="bar">{pressure}</pressure>
    </ensemble>
    <motion mode="dynamics">
      <dynamics mode="npt">
        <timestep units="femtosecond">{timestep}</timestep>
        <thermostat mode="langevin"><tau units="femtosecond">100</tau></thermostat>
        <barostat mode="isotropic">
          <tau units="femtosecond">500</tau>
          <thermostat mode="langevin"><tau units="femtosecond">100</tau></thermostat>
        </barostat>
      </dynamics>
    </motion>
  </system>
</simulation>
"""


def by_ipi(frames: list[Atoms], options: argparse.Namespace) -> np.ndarray:
    """Volumes of one run from the first frame [1, records] in Å³, by i-PI and the driver as a process of its own."""
    atoms = frames[0]
    address = f"dynrefine_density_{os.getpid()}"
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder, "start.extxyz"), atoms, columns=["symbols", "positions"], write_results=False)
        steps = round(1e3 * (options.equilibration + options.length) / options.timestep)
        masses = [options.masses.get(atom.symbol, float(atom.mass)) for atom in atoms]
        settings = vars(options) | {"steps": steps, "address": address, "masses": masses}
        Path(folder, "input.xml").write_text(INPUT.format(**settings), encoding="utf-8")
        driver = [sys.executable, "-m", "dynrefine.export.ipi", options.potential.resolve(), "start.extxyz"]
        driver += ["--unix", address, "--precision", options.precision]
        ipi = Path(sys.executable).with_name("i-pi")
        with subprocess.Popen([ipi, "input.xml"], cwd=folder, stdout=subprocess.DEVNULL) as server:
            try:
                subprocess.run(driver, cwd=folder, check=True)
                server.wait(60)
            finally:
                server.kill()
                Path(f"/tmp/ipi_{address}").unlink(missing_ok=True)
        volumes = np.loadtxt(Path(folder, "run.out"))
    dropped = round(len(volumes) * options.equilibration / (options.equilibration + options.length))
    return volumes[None, dropped:]


def by_sampler(frames: list[Atoms], options: argparse.Namespace) -> np.ndarray:
    """Volumes of a chain from each frame [chains, records] in Å³."""
    configure_numerics(options.precision)
    state = State(temperature=options.temperature, density=1.0, pressure=options.pressure)
    ensemble = ReusedSettings(
        kind="isobaric",
        replicas=len(frames),
        samples_per_replica=1,
        equilibration=options.equilibration,
        decorrelation=options.length,
        timestep=options.timestep,
        friction=10.0,
        masses=options.masses,
    )
    model = read_surfaces(options.potential)["potential"].cast(jnp.dtype(options.precision))
    settings = sampling_settings(model, state, ensemble)
    return np.linalg.det(sampled(model, frames, settings, options.seed).recorded_cells).T


METHODS = {"i-PI": by_ipi, "sampler": by_sampler}


def main() -> None:
    """Read the command line, run what is asked for and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("potential", type=Path, help="exported potential")
    parser.add_argument("frames", type=Path, help="file with the frames where runs begin")
    parser.add_argument("--by", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--chains", type=int, default=4, help="of the sampler, each from a frame of its own")
    parser.add_argument("--temperature", type=float, default=298.15, help="K")
    parser.add_argument("--pressure", type=float, default=1.0, help="bar")
    parser.add_argument("--timestep", type=float, default=1.0, help="fs")
    parser.add_argument("--equilibration", type=float, default=5.0, help="ps")
    parser.add_argument("--length", type=float, default=25.0, help="of a run after that, ps")
    parser.add_argument(
        "--block",
        type=float,
        default=5.0,
        help="of a run, ps; its mean is taken as independent of the others",
    )
    parser.add_argument(
        "--masses", type=json.loads, default={"H": 3.0, "O": 12.015}, help="in the dynamics, u"
    )
    parser.add_argument("--precision", choices=["float32", "float64"], default="float32")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    frames = read_frames(options.frames)[: options.chains]
    mass = frames[0].get_masses().sum()
    for name in options.by:
        densities = mass / METHODS[name](frames, options) / GRAM_PER_CUBIC_CENTIMETRE
        parts = np.array_split(densities, max(round(options.length / options.block), 1), axis=1)
        blocks = np.array([part.mean(axis=1) for part in parts]).T.ravel()
        # Blocks of a chain may remember one another, chains do not.
        kind, independent = ("chains", densities.mean(axis=1)) if len(densities) > 2 else ("blocks", blocks)
        print(
            f"{name}: {blocks.mean():.4f} ± {standard_error(independent):.4f} g/cm³ (of {kind}), {len(densities)} x "
            f"{options.length:g} ps after {options.equilibration:g}, blocks {np.round(blocks, 4)}",
            flush=True,
        )


if __name__ == "__main__":
    main()
