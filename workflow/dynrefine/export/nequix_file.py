"""A potential of kind nequix as a file of the package nequix, for its calculators."""

from pathlib import Path

import jax.numpy as jnp
from ase.data import chemical_symbols

from dynrefine.campaign.numerics import numerics
from dynrefine.errors import CampaignError
from dynrefine.export.potential_file import energy_offsets
from dynrefine.files.models import Model
from dynrefine.surfaces.nequix import NequixPotential, network_of
from dynrefine.surfaces.networks.nequix_package import package


def write_network(path: str | Path, potential: Model) -> None:
    """Write a potential for `nequix.calculator.NequixCalculator`, in the single precision that it reads.

    Energies include those of the elements, with zero for elements that the campaign does not know.

    Arguments:
        path: the file to write (.nqx).
        potential: of kind nequix.

    Raises:
        CampaignError: the potential is of another kind, or nequix is not installed.
    """
    architecture = potential.architecture
    if not isinstance(architecture, NequixPotential):
        raise CampaignError(
            f"potential {potential.settings['kind']} cannot be written as {path}, expected one of kind nequix: write "
            "an .npz file and use dynrefine.ase.DynrefineCalculator."
        )
    nequix = package()
    said = dict(architecture.arguments) | {
        "atomic_numbers": list(architecture.numbers),
        "elements": [chemical_symbols[number] for number in architecture.numbers],
        "shift": 0.0,
        "scale": float(potential.parameters["constants"]["energy_scale"]),
        "avg_n_neighbors": 1.0,  # its effect on messages is in the weights
    }
    with numerics("float32"):
        single = potential.cast(jnp.float32)
        shifts = single.parameters["constants"]["energy_shifts"] + energy_offsets(potential)
        network = network_of(architecture, single.parameters)
        of_elements = network.atom_energies.at[jnp.asarray(architecture.places)].set(shifts)
        network = nequix.eqx.tree_at(lambda each: each.atom_energies, network, of_elements)
        nequix.save_model(str(path), network, said)
