"""The refined potential as the mean over the last iterations."""

from dynrefine.campaign.job import Job
from dynrefine.config.steps import AveragePotentials
from dynrefine.files.models import load_model, save_model
from dynrefine.refinement.averaging import mean_of


def average_potentials(job: Job, settings: AveragePotentials) -> None:
    """Write the mean of the potentials that the last iterations led to.

    Iterations after convergence only pass the potential on; it counts once.
    """
    last = {}
    for path in reversed(job.inputs.potentials):
        potential = load_model(path, settings.potential, settings.elements)
        last.setdefault(potential.metadata["iteration"], potential)
        if len(last) == settings.optimiser.averaged:
            break
    save_model(job.outputs.potential, mean_of(list(last.values())))
