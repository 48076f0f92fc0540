"""Campaigns that are killed, prolonged or converge, with the true scripts."""

import os
import random
import signal
import subprocess
import time

import pandas as pd
import pytest
from campaigns import AFTERWARDS, ITERATION, different_results

from dynrefine.storage import read_arrays

SEED = 20250116
PATIENCE = 300.0  # s until the file appears at whose sight a campaign is killed


def kill_at_sight_of(campaign, path, delay):
    """Start a campaign; when a file appears, wait (s) and kill Snakemake and its jobs, as a power cut would."""
    process = subprocess.Popen(
        campaign.command(cores=2),
        cwd=campaign.folder,
        env=campaign.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + PATIENCE
    while not (campaign.results / path).exists():
        assert process.poll() is None, f"the campaign ended before {path} appeared"
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.02)
    time.sleep(delay)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


@pytest.fixture(scope="module")
def killed(finished_toy, tmp_path_factory):
    """The toy campaign, killed while it trains and again in its first iteration, then run to its end."""
    campaign = finished_toy.begun_anew(tmp_path_factory.mktemp("killed") / "campaign")
    draw = random.Random(SEED).uniform
    for path, longest in (
        ("pretraining/potential_checkpoint.npz", 0.2),
        ("refinement/000/300K/ensemble_00.npz", 4.0),
    ):
        kill_at_sight_of(campaign, path, draw(0.0, longest))
        campaign.run("--unlock")
    campaign.run(cores=2)
    return campaign


def test_a_killed_campaign_ends_with_the_same_bits(killed, finished_toy):
    assert different_results(killed, finished_toy) == set()


def test_a_killed_training_goes_on_from_its_checkpoint(killed):
    assert "going on from results/toy/pretraining/potential_checkpoint.npz" in (
        killed.results / "logs/train_potential.log"
    ).read_text(encoding="utf-8")
    assert not (killed.results / "pretraining/potential_checkpoint.npz").exists()


def test_one_more_iteration_runs_alone_and_the_potential_is_judged_again(toy):
    before = toy.contents()
    more = toy.configure("more.yaml", optimiser={"iterations": 3})
    assert toy.run(configuration=more, cores=2) == ITERATION | AFTERWARDS
    after = toy.contents()
    changed = {path for path in before if after[path] != before[path]}
    assert all(path.startswith(("results/toy/validation/refined", "results/toy/report")) for path in changed)
    history = pd.read_csv(toy.results / "refinement/002/history.csv")
    assert history.iteration.tolist() == [0, 1, 2]
    assert toy.planned(configuration=more) == {}


def test_after_convergence_iterations_pass_through(toy):
    """Nothing falls by 99 % in an iteration: the second one is the last."""
    stop = {"iterations": 3, "stop": {"patience": 1, "tolerance": 0.99}}
    converging = toy.configure("converging.yaml", optimiser=stop)
    toy.run(configuration=converging, cores=2)
    refinement = toy.results / "refinement"
    history = pd.read_csv(refinement / "002/history.csv")
    assert history.converged.tolist() == [False, True]
    for name in ("updated_potential.npz", "optimiser.npz", "history.csv"):
        assert (refinement / "002" / name).read_bytes() == (refinement / "001" / name).read_bytes(), name
    for name in ("300K/trajectories_00", "300K/gradient_00", "objective", "anchor"):
        kind = name.split("/")[-1].split("_")[0]
        assert read_arrays(refinement / f"002/{name}.npz", kind).passed_through, name
    page = (toy.results / "report.html").read_text(encoding="utf-8")
    assert "Iteration 2 passed through, the refinement having converged" in page
