"""Potentials around the refined one that fit the ab initio frames equally well."""

import numpy as np
import pandas as pd

from dynrefine.campaign.job import Job
from dynrefine.config.steps import DrawPotentials
from dynrefine.files.arrays import ArrayFile, write_arrays
from dynrefine.files.models import flat_parameters
from dynrefine.refinement.drawn_potentials import drawn_changes
from dynrefine.refinement.total_gradient import refined_parameters
from dynrefine.steps.loading import load_potential
from dynrefine.steps.loading_metric import load_metric

_EV = 1e-3  # eV/Å in a meV/Å


def draw_potentials(job: Job, settings: DrawPotentials) -> None:
    """Draw changes of the parameters that change the forces by as much as the force error on the test frames."""
    potential = load_potential(job, settings)
    refined = refined_parameters(potential, settings.optimiser)
    errors = pd.read_csv(job.inputs.errors).set_index("quantity").value
    drawn = drawn_changes(
        load_metric(job, settings),
        settings.optimiser.damping,
        _EV * errors["force"],
        (settings.validation.drawn_potentials, len(refined)),
        job.drawing_seed,
    )
    changes = np.zeros((len(drawn), len(flat_parameters(potential.parameters["trainable"])[0])))
    changes[:, refined] = drawn
    units = {"changes": "Å, eV, e and their products"}
    write_arrays(job.outputs.changes, "drawn potentials", ArrayFile({"changes": changes}, units))
