"""A potential as a program that JAX runs without dynrefine."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import export

from dynrefine.campaign.numerics import numerics
from dynrefine.errors import CampaignError
from dynrefine.files.models import Model
from dynrefine.geometry.neighbours import NeighbourList
from dynrefine.surfaces.base import energy_forces_stress

PLATFORMS = ("cpu", "cuda")

# What a file says about its program.
ARGUMENTS = {
    "species": "place of each atom's element in `elements`, -1 for padding, int32 [N]",
    "positions": "Å, [N, 3]",
    "cell": "cell vectors as rows, Å, [3, 3]",
    "indices": "neighbours of each atom within the cutoff, itself where there is none, int32 [N, K]",
    "shifts": "cell vectors to add to the neighbours' positions, 64 where there is none, int8 [3, N, K]",
}
RESULTS = {
    "energy": "eV, without the energies of the elements, []",
    "forces": "eV/Å, [N, 3]",
    "stress": "eV/Å³, positive under tension, [3, 3]",
}


def serialized(potential: Model) -> bytes:
    """Energy, forces and stress for any number N of atoms and K of neighbours, serialized by `jax.export`.

    N and K stay open, so one file serves every box; the caller compiles the program once for each pair of values.

    Raises:
        CampaignError: the code of the potential needs to know the number of atoms.
    """
    architecture, dtype = potential.architecture, potential.dtype

    def program(*arguments: Any) -> Any:
        *frame, indices, shifts = arguments
        neighbours = NeighbourList(indices, shifts, jnp.zeros((), bool), architecture.cutoff)
        return energy_forces_stress(architecture, potential.parameters, *frame, neighbours)

    atoms, places = export.symbolic_shape("N, K")
    shapes = {
        "species": ((atoms,), jnp.int32),
        "positions": ((atoms, 3), dtype),
        "cell": ((3, 3), dtype),
        "indices": ((atoms, places), jnp.int32),
        "shifts": ((3, atoms, places), jnp.int8),
    }
    arguments = [jax.ShapeDtypeStruct(*shapes[name]) for name in ARGUMENTS]
    with numerics(jnp.dtype(dtype).name):
        try:
            exported = export.export(jax.jit(program), platforms=PLATFORMS)(*arguments)
        except (TypeError, jax.errors.InconclusiveDimensionOperation) as error:
            raise CampaignError(
                f"potential {potential.settings['kind']} cannot be exported as a program, because its energy needs "
                f"to know the number of atoms ({str(error).partition(chr(10))[0]}): write positions.shape[0] instead "
                "of len(positions), and do not branch on it."
            ) from error
        return bytes(exported.serialize())
