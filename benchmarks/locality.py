"""How much noise gradient.locality takes out of the ensemble part of the gradient, by its distance.

    python benchmarks/locality.py config/water.yaml --iteration 0 --radii 5 8 11 14

From the starting points of an iteration of a refinement with the natural gradient, whose trajectories are run again.
Squared lengths are those of the natural gradient, over that of the trajectory part: of the noise of the ensemble
part, and of what stands out of it, which may come out negative. Last, the share of the whole gradient that is no
noise.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import pandas as pd
from recorded import gradients_of_iteration, potential_in

from dynrefine.campaign.jax_setup import configure_jax
from dynrefine.config import load_config
from dynrefine.config.dynamics import State
from dynrefine.config.load import read_together
from dynrefine.config.model import Config
from dynrefine.config.steps import EvaluateObjective, RunTrajectories
from dynrefine.dynamics.force_field import force_field
from dynrefine.dynamics.mapping import Blocks
from dynrefine.files.arrays import read_arrays
from dynrefine.files.ensembles import Ensemble, load_ensemble
from dynrefine.files.models import Model, flat_parameters, read_model
from dynrefine.files.objectives import StateObjective
from dynrefine.files.trajectories import Trajectories
from dynrefine.geometry.system import system_of
from dynrefine.refinement.gathering import evaluate_objective
from dynrefine.refinement.gradient import Weighing, energy_gradients
from dynrefine.refinement.natural_gradient import Damped, Rows, damped
from dynrefine.refinement.total_gradient import refined_parameters
from dynrefine.sampling.trajectories import run_trajectories
from dynrefine.statistics import numbered_through, shortened, sums_by_chain


class Part(NamedTuple):
    """Contributions of independent chains to a part of the gradient [C, P], and the weights of the chains [C]."""

    rows: np.ndarray
    weights: np.ndarray


def noise_and_signal(inverse: Damped, part: Part) -> tuple[float, float]:
    """Squared natural lengths of the noise of a part of the gradient, and of what stands out of it."""
    rows, weights = part
    total, count = rows.sum(axis=0), len(rows)
    noise = count / (count - 1) * sum(own @ inverse(own) for own in rows - weights[:, None] * total)
    return noise, float(total @ inverse(total)) - noise


def ensemble_part(
    campaign: Config, potential: Model, ensembles: Sequence[Ensemble], state: StateObjective
) -> Part:
    """That of a state, without the mean, by all parameters."""
    rows, means, coefficients, weights = [], [], [], []
    count, chains = len(ensembles[0].positions), len(ensembles[0].chain_positions)
    blocks = Blocks.fitting(count, len(flat_parameters(potential.parameters["trainable"])[0]), chains)
    groups = blocks.groups[blocks.numbers]
    species = system_of(ensembles[0].species, campaign.elements, potential.dtype).species
    for number, ensemble in enumerate(ensembles):
        field = force_field([potential.architecture], ensemble.cells, len(species), campaign.ensemble)
        own = (jnp.asarray(each, potential.dtype) for each in state.of_chunk(number, count))
        weighing = Weighing(*own, chains)
        starts = ensemble.starts(potential.dtype)
        found, mean = energy_gradients(field, potential.parameters, species, starts, weighing)
        rows.append(sums_by_chain(np.asarray(found, float), blocks.groups))
        means.append(mean)
        coefficients.append(sums_by_chain(np.asarray(weighing.by_kind(species), float), groups))
        weights.append(sums_by_chain(np.asarray(weighing.weights, float), groups))
    without_mean = np.concatenate(rows) - np.concatenate(coefficients) @ np.sum(means, axis=0)
    return Part(without_mean, np.concatenate(weights))


def run_again(
    campaign: Config, potential: Model, state: State, ensembles: Sequence[Ensemble]
) -> list[Trajectories]:
    """The trajectories of a state, with what the atoms contribute."""
    pretraining = Path("results", campaign.campaign.name, "pretraining")
    others = {name: read_model(pretraining / f"{name}.npz") for name in campaign.surfaces}
    observables = campaign.objective.observables.chosen().values()
    settings = RunTrajectories.model_construct(
        elements=campaign.elements,
        state=state,
        ensemble=campaign.ensemble,
        trajectory=campaign.trajectory,
        along=sorted({name for each in observables for name in each.along}),
        at_start=sorted({name for each in observables for name in each.at_start}),
        of_atoms=True,
    )
    return [run_trajectories(potential, others, ensemble, settings, None) for ensemble in ensembles]


def trajectory_part(campaign: Config, folder: Path, refined: np.ndarray) -> Part:
    """That of an iteration, by the parameters with these numbers."""
    (chunks,) = gradients_of_iteration(folder, refined)
    rows = np.concatenate([chunk.trajectory for chunk in chunks]).astype(float)
    weights = np.concatenate([chunk.trajectory_weights for chunk in chunks])
    chains = numbered_through([chunk.trajectory_chains for chunk in chunks])
    rows = shortened(rows, weights, campaign.optimiser.outlier_limit)
    return Part(sums_by_chain(rows, chains), sums_by_chain(weights / weights.sum(), chains))


def measured(campaign: Config, iteration: int, radii: Sequence[float | None]) -> pd.DataFrame:
    """Read the files of a campaign, run the trajectories of an iteration again; the table."""
    results = Path("results", campaign.campaign.name)
    folder = results / f"refinement/{iteration:03d}"
    before = results / "pretraining" if iteration == 0 else folder.with_name(f"{iteration - 1:03d}")
    potential = read_model(potential_in(before)).cast(jnp.float32)
    label, chosen = next(iter(campaign.states_by_label().items()))
    ensembles = [load_ensemble(path) for path in sorted((folder / label).glob("ensemble_*.npz"))]
    trajectories = run_again(campaign, potential, chosen, ensembles)
    probes = read_arrays(results / "pretraining/force_metric.npz", "force metric").arrays["probes"]
    inverse = damped(Rows(probes.astype(float)), campaign.optimiser.damping, probes.shape[1])
    refined = refined_parameters(potential, campaign.optimiser)
    followed = trajectory_part(campaign, folder, refined)
    noise_along, _ = noise_and_signal(inverse, followed)
    along = followed.rows.sum(axis=0)
    unit, found = float(along @ inverse(along)), []
    for radius in radii:
        settings = EvaluateObjective.model_construct(
            elements=campaign.elements,
            trajectory=campaign.trajectory,
            objective=campaign.objective,
            gradient=campaign.gradient.model_copy(update={"locality": radius}),
            synthetic_targets={},
        )
        objective = evaluate_objective(settings, {label: chosen}, {label: ensembles}, {label: trajectories})
        part = ensemble_part(campaign, potential, ensembles, objective.states[label])
        part = part._replace(rows=part.rows[:, refined])
        noise, signal = noise_and_signal(inverse, part)
        whole = along + part.rows.sum(axis=0)
        share = 1.0 - (noise + noise_along) / float(whole @ inverse(whole))
        found.append((radius, noise / unit, signal / unit, share))
    return pd.DataFrame(found, columns=["locality, Å", "noise", "signal", "resolved share"])


def main() -> None:
    """Read the command line and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("configuration", nargs="+", type=Path, help="later files stand on top")
    parser.add_argument("--iteration", type=int, default=0)
    parser.add_argument("--radii", nargs="+", type=float, default=[5.0, 8.0, 11.0, 14.0], help="Å")
    options = parser.parse_args()
    configure_jax("float32", threads=1)
    campaign = load_config(read_together(options.configuration))
    table = measured(campaign, options.iteration, [*options.radii, None])
    print(table.to_csv(index=False, float_format="%.3g", na_rep="none"))


if __name__ == "__main__":
    main()
