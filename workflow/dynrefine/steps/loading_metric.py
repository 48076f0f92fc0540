"""The force metric, as read by the steps that use it."""

from dynrefine.campaign.job import Job
from dynrefine.config.steps import PotentialStep
from dynrefine.datasets.arrays import to_arrays
from dynrefine.datasets.reading import read_frames
from dynrefine.files.arrays import read_arrays
from dynrefine.files.models import load_model
from dynrefine.refinement.force_metric import Products
from dynrefine.refinement.natural_gradient import Metric, Rows


def load_metric(job: Job, settings: PotentialStep) -> Metric:
    """The force metric as it was measured.

    Arguments:
        job: with the inputs `metric`, `measured_potential` and `measured_frames`.
        settings: of the potential.
    """
    arrays = read_arrays(job.inputs.metric, "force metric").arrays
    if "probes" in arrays:
        return Rows(arrays["probes"].astype(float))
    measured = load_model(job.inputs.measured_potential, settings.potential, settings.elements)
    potential = measured.surfaces()["potential"]
    return Products(potential, to_arrays(read_frames(job.inputs.measured_frames), settings.symbols), **arrays)
