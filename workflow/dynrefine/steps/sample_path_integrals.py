"""Path integrals."""

from dynrefine.campaign.job import Job
from dynrefine.campaign.performance import count_steps
from dynrefine.config.steps import SamplePathIntegrals
from dynrefine.files.ensembles import load_ensemble
from dynrefine.files.path_integrals import save_ring_polymers
from dynrefine.ipi.bead_forces import BeadForces
from dynrefine.ipi.simulation import Start, Surroundings, simulate
from dynrefine.steps.loading import load_potential

_AROUND = 1.0  # Å more skin of neighbour lists, because beads move about the centre of their ring polymer


def sample_path_integrals(job: Job, settings: SamplePathIntegrals) -> None:
    """Run ring polymers of all atoms with i-PI, from where a chain of the validation ended."""
    chains, (_, number) = load_ensemble(job.inputs.start), job.chunk
    chain = number % len(chains.chain_positions)
    start = Start(settings.elements, chains.species, chains.chain_positions[chain], chains.chain_cells[chain])
    state, barostat, own = settings.state, settings.ensemble.barostat, settings.path_integrals
    surroundings = Surroundings(state.temperature, state.pressure, 1e3 * barostat.relaxation)
    skin = settings.ensemble.neighbour_skin + _AROUND
    lists = settings.ensemble.model_copy(update={"neighbour_skin": skin})
    forces = BeadForces(load_potential(job, settings), chains.species, lists)
    recorded = simulate(start, surroundings, own, forces, job.drawing_seed)
    count_steps(own.beads * own.steps)
    save_ring_polymers(job.outputs.records, recorded)
