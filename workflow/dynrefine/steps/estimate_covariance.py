"""How well the fitted measurements determine named parameters."""

import numpy as np

from dynrefine.campaign.job import Job
from dynrefine.config.steps import EstimateCovariance
from dynrefine.files.models import single_numbers
from dynrefine.files.tables import write_table
from dynrefine.refinement.covariance import Determination
from dynrefine.steps.determining import determined_properties
from dynrefine.steps.loading import load_potential


def estimate_covariance(job: Job, settings: EstimateCovariance) -> None:
    """Gather the sensitivities of all states: the covariance of the parameters, and property errors from it."""
    numbers = single_numbers(load_potential(job, settings).parameters["trainable"])
    found = Determination(
        list(numbers), np.array(list(numbers.values())), determined_properties(job, settings)
    )
    units = [settings.potential.parameters.get(name, "") for name in numbers]
    write_table(job.outputs.covariance, found.pairs(units))
    write_table(job.outputs.sensitivities, found.sensitivities())
