"""Physical checks of the units in which the labels of frames are read.

Bond lengths distinguish Å from bohr and nm, and show whether symbols are in the order of the positions. The stiffness
of bonds distinguishes eV/Å from other units of force and gives their sign. Energies and stresses must differ between
frames as the forces imply, and dipoles must follow the bonds. Each check has an error and a range of possible values,
and is left out where it is inconclusive.
"""

from collections.abc import Sequence

from ase import Atoms

from dynrefine.datasets.atom_order import order_sentence
from dynrefine.datasets.conventions import Conventions
from dynrefine.datasets.dipoles import dipole_sentence
from dynrefine.datasets.mechanics import has_sound, mechanics
from dynrefine.datasets.pair_model import fit_pair_model
from dynrefine.datasets.positions import positions_sentence
from dynrefine.datasets.stresses import stress_sentences

_OF_THE_CAMPAIGN = (
    "label_frames must have misread the output of the program; compare the frames with it, and report the version "
    "of the program."
)


def unit_faults(frames: Sequence[Atoms], name: str, conventions: Conventions | None) -> list[str]:
    """Sentences that name each label in another unit than the one assumed; none where all are plausible.

    Arguments:
        frames: of one file or source, with labels.
        name: the file, for messages.
        conventions: the units and keys stated for it; None for frames that the campaign labelled.
    """
    sentences = _faults(frames, conventions or Conventions())
    if conventions is None:  # the user cannot state units for these
        sentences = [f"{sentence.partition(': ')[0]}: {_OF_THE_CAMPAIGN}" for sentence in sentences]
    return [f"{name}: {sentence}" for sentence in sentences]


def _faults(frames: Sequence[Atoms], conventions: Conventions) -> list[str]:
    wrong = positions_sentence(frames) or order_sentence(frames)
    if wrong:
        return [wrong]
    forced = [frame for frame in frames if has_sound(frame, "forces")]
    model = fit_pair_model(forced)
    fault, change = mechanics(forced, model, conventions) if forced else (None, 1.0)
    dipole = dipole_sentence([frame for frame in frames if has_sound(frame, "dipole")], conventions)
    return [
        *([fault] if fault else []),
        *stress_sentences(frames, model, change, conventions),
        *([dipole] if dipole else []),
    ]
