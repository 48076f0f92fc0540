"""Whether the labels of frames can be in the units they are read in, judged by physics.

Bond lengths tell Å from bohr and nm, and whether symbols are in the order of the positions. The stiffness of bonds
tells eV/Å from other units of force, and their sign. Energies must differ between frames as the forces say, and so
must stresses; dipoles must follow the bonds. Each judgement has an error and a range of what is possible, and is left
out where it cannot tell.
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
    "label_frames must have misread the program; compare the frames with its output, and report the version."
)


def unit_faults(frames: Sequence[Atoms], name: str, conventions: Conventions | None) -> list[str]:
    """Sentences that say which label is in another unit than it is read in; none where all may be right.

    Arguments:
        frames: of one file or source, with labels.
        name: the file, for messages.
        conventions: the units and keys that are stated for it; none of frames that the campaign labelled.
    """
    sentences = _faults(frames, conventions or Conventions())
    if conventions is None:  # nothing can be stated of these
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
