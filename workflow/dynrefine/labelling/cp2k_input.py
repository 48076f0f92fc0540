"""The input of CP2K for one geometry."""

import numpy as np
from ase import Atoms

from dynrefine.config.labelling import CP2KSettings
from dynrefine.errors import CampaignError
from dynrefine.labelling.wannier_centres import LOCALIZATION

PROJECT = "label"  # the names of files begin with it
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


def input_text(atoms: Atoms, settings: CP2KSettings, *, restart: bool) -> str:
    """The CP2K input of one geometry.

    Arguments:
        atoms: a geometry periodic in three directions, Å.
        settings: the method.
        restart: whether to start from the wavefunction in the folder rather than from atoms.

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
        project=PROJECT,
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


def _lines(labels, rows: np.ndarray) -> str:
    return "\n".join(
        f"{label} {x:.10f} {y:.10f} {z:.10f}" for label, (x, y, z) in zip(labels, rows, strict=True)
    )
