"""Energies, forces, stresses and dipoles of periodic boxes from CP2K (Quickstep, GPW, gamma point), and on demand the
dipoles around atoms."""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from dynrefine import units
from dynrefine.config.data import CP2KSettings
from dynrefine.datasets.conventions import LOCAL_DIPOLE
from dynrefine.errors import CampaignError
from dynrefine.labelling.wannier_centres import LOCALIZATION, centres_file, local_dipoles, read_centres

_PROJECT = "label"
_STRESS_UNITS = {"GPa": 1e4, "MPa": 10.0, "kbar": 1e3, "bar": 1.0, "atm": 1.01325}  # in bar
_FUNCTIONALS = {
    "revPBE": "&PBE\nPARAMETRIZATION REVPBE\n&END PBE",
    "PBE": "&PBE\n&END PBE",
    "BLYP": "&BECKE88\n&END BECKE88\n&LYP\n&END LYP",
}

_INPUT = """\
&GLOBAL
PROJECT {project}
RUN_TYPE ENERGY_FORCE
PRINT_LEVEL MEDIUM
&END GLOBAL
&FORCE_EVAL
METHOD QUICKSTEP
STRESS_TENSOR ANALYTICAL
&PRINT
&FORCES ON
NDIGITS 12
&END FORCES
&STRESS_TENSOR ON
&END STRESS_TENSOR
&END PRINT
&DFT
BASIS_SET_FILE_NAME GTH_BASIS_SETS
BASIS_SET_FILE_NAME BASIS_MOLOPT
POTENTIAL_FILE_NAME GTH_POTENTIALS
WFN_RESTART_FILE_NAME {project}-RESTART.wfn
&MGRID
CUTOFF {cutoff}
REL_CUTOFF {relative_cutoff}
NGRIDS 4
&END MGRID
&QS
METHOD GPW
EPS_DEFAULT 1e-12
&END QS
&SCF
SCF_GUESS {guess}
EPS_SCF {eps_scf}
MAX_SCF {steps}
&DIAGONALIZATION
ALGORITHM STANDARD
&END DIAGONALIZATION
&MIXING
METHOD BROYDEN_MIXING
ALPHA 0.4
NBROYDEN 8
&END MIXING
&PRINT
&RESTART ON
BACKUP_COPIES 0
&END RESTART
&RESTART_HISTORY OFF
&END RESTART_HISTORY
&END PRINT
&END SCF
&XC
&XC_FUNCTIONAL
{functional}
&END XC_FUNCTIONAL
{dispersion}&END XC
{localization}&PRINT
&MOMENTS
PERIODIC .TRUE.
REFERENCE ZERO
&END MOMENTS
&END PRINT
&END DFT
&SUBSYS
&CELL
{cell}
&END CELL
{kinds}
&COORD
{coordinates}
&END COORD
&END SUBSYS
&END FORCE_EVAL
"""

_DISPERSION = """\
&VDW_POTENTIAL
POTENTIAL_TYPE PAIR_POTENTIAL
&PAIR_POTENTIAL
TYPE DFTD3
PARAMETER_FILE_NAME dftd3.dat
REFERENCE_FUNCTIONAL {functional}
R_CUTOFF 15.0
&END PAIR_POTENTIAL
&END VDW_POTENTIAL
"""


class CP2K(Calculator):
    """ASE calculator: one CP2K run per geometry, through files.

    ASE's own CP2K calculator drives cp2k_shell, which returns no Berry-phase dipole; the printed output does.
    Every geometry starts from the atomic guess, so that its labels do not depend on the frames before it (and
    between frames of 150 fs apart an old wavefunction saves no step: 16 against 14).

    Arguments:
        settings: the method.
        command: the program as typed in a shell, with its launcher if any ("mpirun -n 4 cp2k.psmp").
        folder: where inputs, outputs and the wavefunction lie.
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
        """The method as it is written in papers."""
        dispersion = "" if self.settings.dispersion == "none" else f"-{self.settings.dispersion}"
        return f"{self.settings.functional}{dispersion}/{self.settings.basis}"

    @property
    def decisive(self) -> dict[str, Any]:
        """The settings that change labels, not only their cost."""
        without = {"max_scf", "first_cutoff"}
        # Centres are told beside the other labels and change none of them.
        return self.settings.model_dump(
            exclude=without if self.settings.wannier_centres else {*without, "wannier_centres"}
        )

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes) -> None:
        """Run CP2K and fill `results`: energy (eV), forces (eV/Å), stress (eV/Å³, ASE's sign), dipole (e Å).

        With `wannier_centres` also local_dipole [N,3], around each atom beyond its formal charge, e Å.

        Raises:
            CampaignError: CP2K is not there, stopped, or did not converge.
        """
        super().calculate(atoms, properties, system_changes)
        geometry = self.atoms
        assert geometry is not None  # ASE has just set it
        self.folder.mkdir(parents=True, exist_ok=True)
        # CP2K would begin with the one, and write behind the other.
        (self.folder / f"{_PROJECT}-RESTART.wfn").unlink(missing_ok=True)
        centres_file(self.folder, _PROJECT).unlink(missing_ok=True)
        for number, stage in enumerate(stages(self.settings)):
            output = self._run(geometry, stage, restart=number > 0)
        self.results = parse_output(output, f"{self.folder / _PROJECT}.out", len(geometry))
        if self.settings.wannier_centres:
            self.results[LOCAL_DIPOLE] = local_dipoles(geometry, read_centres(self.folder, _PROJECT))
        self.version = version(output)

    def _run(self, geometry: Atoms, stage: CP2KSettings, *, restart: bool) -> str:
        text = input_text(geometry, stage, restart=restart)
        (self.folder / f"{_PROJECT}.inp").write_text(text)
        output = self.folder / f"{_PROJECT}.out"
        command = [*shlex.split(self.program), "-i", f"{_PROJECT}.inp"]
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
                f"CP2K stopped with exit status {finished.returncode}{_complaint(printed)}: read {output}, "
                "mend the geometry or the labelling settings, and run the rule again; labels already made "
                "are kept."
            )
        return printed


def stages(settings: CP2KSettings) -> Iterator[CP2KSettings]:
    """The runs of one frame: on the coarse grid if there is one, then the one that gives the labels."""
    if 0.0 < settings.first_cutoff < settings.cutoff:
        # the change of grid alone moves the density matrix by more than 1e-4
        coarse = {
            "cutoff": settings.first_cutoff,
            "relative_cutoff": min(30.0, settings.relative_cutoff),
            "eps_scf": max(1e-4, settings.eps_scf),
            "wannier_centres": False,
        }
        yield settings.model_copy(update=coarse)
    yield settings


def input_text(atoms: Atoms, settings: CP2KSettings, *, restart: bool) -> str:
    """The CP2K input of one geometry.

    Arguments:
        atoms: a geometry periodic in three directions, Å.
        settings: the method.
        restart: start from the wavefunction in the folder rather than from atoms.

    Raises:
        CampaignError: the geometry is not periodic in three directions.
    """
    if not atoms.pbc.all():
        raise CampaignError(
            f'the geometry is periodic in {int(atoms.pbc.sum())} directions, labels need 3: set pbc="T T T".'
        )
    elements = sorted(set(atoms.get_chemical_symbols()))
    dispersion = "" if settings.dispersion == "none" else _DISPERSION.format(functional=settings.functional)
    return _INPUT.format(
        project=_PROJECT,
        cutoff=settings.cutoff,
        relative_cutoff=settings.relative_cutoff,
        guess="RESTART" if restart else "ATOMIC",
        eps_scf=settings.eps_scf,
        steps=settings.max_scf,
        functional=_FUNCTIONALS[settings.functional],
        dispersion=dispersion,
        localization=LOCALIZATION if settings.wannier_centres else "",
        cell=_lines("ABC", atoms.cell.array),
        kinds="\n".join(
            f"&KIND {element}\nBASIS_SET {settings.basis}\nPOTENTIAL {settings.potential}\n&END KIND"
            for element in elements
        ),
        coordinates=_lines(atoms.get_chemical_symbols(), atoms.positions),
    )


def parse_output(
    printed: str, name: str = "CP2K's output", atoms: int | None = None
) -> dict[str, float | np.ndarray]:
    """What CP2K printed for one geometry, in internal units.

    Arguments:
        printed: the whole output of an ENERGY_FORCE run.
        name: the name of the output in messages.
        atoms: how many forces there must be, where that is known.

    Returns:
        energy (eV), forces [N,3] (eV/Å), stress [6] (eV/Å³, Voigt order and sign of ASE: negative under
        pressure), dipole [3] (e Å, Berry phase, origin zero, defined modulo e times the cell vectors).

    Raises:
        CampaignError: the self-consistency did not converge, or a part is missing or no number.
    """
    if "SCF run NOT converged" in printed or "SCF run converged in" not in printed:
        raise CampaignError(
            f"{name}: the self-consistency did not converge{_last_step(printed)}: raise max_scf, loosen "
            "eps_scf, or remove the frame if its geometry is unphysical."
        )
    value = r"([-+*.\d]\S*)"
    # behind the unit there is a colon up to CP2K 2023, none from 2024 on
    energy = _find(rf"ENERGY\| Total FORCE_EVAL.*?energy \[\S+\]:?\s+{value}", printed, "energy", name)
    stress_unit, stress = _find(
        r"STRESS\| Analytical stress tensor \[(\w+)\](.*?)1/3 Trace", printed, "stress", name
    )
    dipole = _find(
        rf"Berry phase.*?Dipole moment \[Debye\]\s+X=\s*{value}\s+Y=\s*{value}\s+Z=\s*{value}",
        printed,
        "dipole",
        name,
    )
    tensor = re.findall(rf"STRESS\|\s+[xyz]\s+{value}\s+{value}\s+{value}", stress)
    if stress_unit not in _STRESS_UNITS or len(tensor) != 3:
        raise CampaignError(
            f"{name} holds a stress in {stress_unit} in {len(tensor)} rows, expected three in one of "
            f"{', '.join(_STRESS_UNITS)}: run CP2K 2023.1 or later with its own units of stress."
        )
    pressure = _numbers(tensor, "stress", name) * _STRESS_UNITS[stress_unit] * units.BAR
    return {
        "energy": float(_numbers([energy], "energy", name)[0, 0]) * units.HARTREE,
        "forces": _forces(printed, name, atoms) * (units.HARTREE / units.BOHR),
        "stress": -pressure[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]],
        "dipole": _numbers([dipole], "dipole", name)[0] * units.DEBYE,
    }


def _forces(printed: str, name: str, atoms: int | None) -> np.ndarray:
    """The forces [N, 3], Hartree/Bohr, as CP2K prints them up to 2023 and from 2024 on."""
    value = r"([-+*.\d]\S*)"
    if "FORCES| Atomic forces [hartree/bohr]" in printed:
        (block,) = _find(
            r"FORCES\| Atomic forces \[hartree/bohr\](.*?)FORCES\|\s+Sum", printed, "forces", name
        )
        pattern = rf"^\s*FORCES\|\s+\d+\s+{value}\s+{value}\s+{value}\s+\S+\s*$"
    else:
        (block,) = _find(r"ATOMIC FORCES in \[a\.u\.\](.*?)SUM OF ATOMIC FORCES", printed, "forces", name)
        pattern = rf"^\s+\d+\s+\d+\s+\w+\s+{value}\s+{value}\s+{value}\s*$"
    rows = re.findall(pattern, block, re.MULTILINE)
    if not rows or (atoms is not None and len(rows) != atoms):
        raise CampaignError(
            f"{name} holds forces on {len(rows)} atoms, expected {atoms or 'some'}: the output is cut short or of "
            "another geometry; remove it and run the rule again."
        )
    return _numbers(rows, "force", name)


def _numbers(rows: Sequence[Sequence[str]], what: str, name: str) -> np.ndarray:
    """Rows of what was printed as numbers; stars stand for those too long for their columns."""
    try:
        return np.array([[float(text.replace("D", "E")) for text in row] for row in rows])
    except ValueError as error:
        raise CampaignError(
            f"{name} holds a {what} that is no number ({error}), expected one; stars stand for a number too large "
            "for its column: remove the frame, whose geometry is probably unphysical."
        ) from None


def version(printed: str) -> str:
    """The version CP2K prints of itself, "2023.1"."""
    return _find(r"CP2K version (\S+)", printed, "version", "CP2K's output")[0]


def _find(pattern: str, printed: str, what: str, name: str) -> tuple[str, ...]:
    found = re.search(pattern, printed, re.DOTALL)
    if found is None:
        raise CampaignError(
            f"{name} holds no {what}: expected the output of CP2K 2023.1 or later, to 2026; run that version."
        )
    return found.groups()


def _lines(labels, rows: np.ndarray) -> str:
    return "\n".join(
        f"{label} {x:.10f} {y:.10f} {z:.10f}" for label, (x, y, z) in zip(labels, rows, strict=True)
    )


def _complaint(printed: str) -> str:
    """The text of CP2K's abort box in one line."""
    box = re.search(r"\[ABORT\](.*?)\n\s*\*{10,}", printed, re.DOTALL)
    lines = [line.strip(" *\\_/O|") for line in box[1].splitlines()] if box else []
    words = " ".join(line for line in lines if line)
    return f" ({words})" if words else ""


def _last_step(printed: str) -> str:
    steps = re.findall(r"^\s+(\d+) Broy\S*\s.*?([\d.E+-]+)\s+-\d+\.\d+\s+\S+$", printed, re.MULTILINE)
    return f" (step {steps[-1][0]}, deviation {steps[-1][1]})" if steps else ""
