"""Energies, forces, stresses and dipoles of periodic boxes from CP2K (Quickstep, GPW, gamma point), and the dipoles
around atoms on request."""

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from dynrefine.config.labelling import CP2KSettings
from dynrefine.datasets.conventions import LOCAL_DIPOLE
from dynrefine.errors import CampaignError
from dynrefine.labelling.cp2k_input import PROJECT, input_text
from dynrefine.labelling.cp2k_output import complaint, parse_output, version
from dynrefine.labelling.wannier_centres import centres_file, local_dipoles, read_centres


class CP2K(Calculator):
    """ASE calculator: one CP2K run per geometry, through files.

    ASE's own CP2K calculator drives cp2k_shell, which does not return the Berry-phase dipole; the printed output has
    it. Every geometry starts from the atomic guess, so its labels do not depend on the frames before it. Between
    frames 150 fs apart, an old wavefunction saves no steps (16 against 14).

    Arguments:
        settings: the method.
        command: the program as typed in a shell, with its launcher if any ("mpirun -n 4 cp2k.psmp").
        folder: for inputs, outputs and the wavefunction.
    """

    engine = "cp2k"
    implemented_properties = ["energy", "forces", "stress", "dipole"]  # noqa: RUF012 (the interface of ASE)

    def __init__(self, settings: CP2KSettings, command: str, folder: str | Path) -> None:
        super().__init__()
        self.settings = settings
        self.program = command
        self.folder = Path(folder)

    @property
    def method(self) -> str:
        """The method as written in papers."""
        dispersion = "" if self.settings.dispersion == "none" else f"-{self.settings.dispersion}"
        return f"{self.settings.functional}{dispersion}/{self.settings.basis}"

    @property
    def decisive(self) -> dict[str, Any]:
        """The settings that change labels, not only their cost."""
        without = {"max_scf", "first_cutoff"}
        # Centres come in addition to the other labels and change none of them.
        return self.settings.model_dump(
            exclude=without if self.settings.wannier_centres else {*without, "wannier_centres"}
        )

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes) -> None:
        """Run CP2K and fill `results`: energy (eV), forces (eV/Å), stress (eV/Å³, ASE's sign), dipole (e Å).

        With `wannier_centres`, also local_dipole [N,3], the dipole around each atom beyond its formal charge (e Å).

        Raises:
            CampaignError: CP2K was not found, stopped, or did not converge.
        """
        super().calculate(atoms, properties, system_changes)
        geometry = self.atoms
        assert geometry is not None  # ASE has just set it
        self.folder.mkdir(parents=True, exist_ok=True)
        # CP2K would start from the former, and append to the latter.
        (self.folder / f"{PROJECT}-RESTART.wfn").unlink(missing_ok=True)
        centres_file(self.folder, PROJECT).unlink(missing_ok=True)
        for number, stage in enumerate(stages(self.settings)):
            output = self._run(geometry, stage, restart=number > 0)
        self.results = parse_output(output, f"{self.folder / PROJECT}.out", len(geometry))
        if self.settings.wannier_centres:
            self.results[LOCAL_DIPOLE] = local_dipoles(geometry, read_centres(self.folder, PROJECT))
        self.version = version(output)

    def _run(self, geometry: Atoms, stage: CP2KSettings, *, restart: bool) -> str:
        text = input_text(geometry, stage, restart=restart)
        (self.folder / f"{PROJECT}.inp").write_text(text)
        output = self.folder / f"{PROJECT}.out"
        command = [*shlex.split(self.program), "-i", f"{PROJECT}.inp"]
        if shutil.which(command[0]) is None:
            raise CampaignError(
                f"the labelling command '{self.program}' was not found: install CP2K (Debian: apt-get "
                "install cp2k; conda: cp2k from conda-forge) or give the path of its executable."
            )
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        with open(output, "w") as stream:
            finished = subprocess.run(
                command,
                cwd=self.folder,
                env=environment,
                stdout=stream,
                stderr=subprocess.STDOUT,
                check=False,
            )
        printed = output.read_text(errors="replace")
        if finished.returncode or "PROGRAM ENDED AT" not in printed:
            raise CampaignError(
                f"CP2K stopped with exit status {finished.returncode}{complaint(printed)}: read {output}, "
                "correct the geometry or the labelling settings, and run the rule again; labels already made "
                "are kept."
            )
        return printed


def stages(settings: CP2KSettings) -> Iterator[CP2KSettings]:
    """The runs of one frame: first on the coarse grid, if there is one, then the one that gives the labels."""
    if 0.0 < settings.first_cutoff < settings.cutoff:
        # No tighter than 1e-4, since the change of grid alone changes the density matrix by more.
        coarse = {
            "cutoff": settings.first_cutoff,
            "relative_cutoff": min(30.0, settings.relative_cutoff),
            "eps_scf": max(1e-4, settings.eps_scf),
            "wannier_centres": False,
        }
        yield settings.model_copy(update=coarse)
    yield settings
