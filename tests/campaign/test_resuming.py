"""Campaigns that are killed or converge, with the true scripts."""

import os
import random
import shutil
import signal
import subprocess
import time

import pytest
from campaigns import ITERATION, different_results

from dynrefine.files.arrays import read_arrays
from dynrefine.files.history import CONVERGED, load_history

pytestmark = pytest.mark.slow

SEED = 20250116
PATIENCE = 300.0  # s until the file appears at whose sight a campaign is killed
POTENTIAL = "pretraining/potential.npz"


def kill_at_sight_of(campaign, path, target, delay):
    """Start a campaign; when a file appears, wait (s) and kill Snakemake and its jobs, as a power cut would."""
    process = subprocess.Popen(
        campaign.command(f"results/toy/{target}", cores=2),
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


def test_a_training_that_is_killed_goes_on_from_its_checkpoint_to_the_same_bits(toy, finished_toy):
    (toy.results / POTENTIAL).unlink()
    checkpoint = "pretraining/potential_checkpoint.npz"
    kill_at_sight_of(toy, checkpoint, POTENTIAL, random.Random(SEED).uniform(0.0, 0.2))
    toy.run("--unlock")
    toy.run(f"results/toy/{POTENTIAL}", cores=2)
    log = (toy.results / "logs/train_surface/potential.log").read_text(encoding="utf-8")
    assert f"going on from results/toy/{checkpoint}" in log
    assert not (toy.results / checkpoint).exists()
    assert different_results(toy, finished_toy) == set()


def test_an_iteration_that_is_killed_ends_with_the_same_bits(toy, finished_toy):
    shutil.rmtree(toy.results / "refinement/001")
    last = "refinement/001/history.csv"
    delay = random.Random(SEED).uniform(0.0, 4.0)
    kill_at_sight_of(toy, "refinement/001/300K/ensemble_00.npz", last, delay)
    assert not (toy.results / last).exists()
    toy.run("--unlock")
    toy.run(f"results/toy/{last}", cores=2)
    assert different_results(toy, finished_toy) == set()


def test_after_convergence_iterations_pass_through(toy):
    """Nothing falls by 99 % in an iteration: the second one, whose step is made again, is the last.

    What a third one adds to the finished campaign leaves everything before as it was.
    """
    before = toy.contents()
    refinement, kept = toy.results / "refinement", ("updated_potential.npz", "optimiser.npz", "history.csv")
    for name in kept:
        (refinement / "001" / name).unlink()
    stop = {"iterations": 3, "stop": {"patience": 1, "tolerance": 0.99}}
    converging = toy.configure("converging.yaml", optimiser=stop)
    last = "results/toy/refinement/002/history.csv"
    ran = toy.run(last, "--rerun-triggers", "mtime", configuration=converging, cores=2)
    assert ran == ITERATION | {"update_potential": 2}
    history = load_history(refinement / "002/history.csv")
    assert history.by_quantity("control")[CONVERGED, ""].value.tolist() == [0.0, 1.0]
    for name in kept:
        assert (refinement / "002" / name).read_bytes() == (refinement / "001" / name).read_bytes(), name
    for name in ("300K/trajectories_00", "300K/gradient_00", "objective", "anchor"):
        kind = name.split("/")[-1].split("_")[0]
        assert read_arrays(refinement / f"002/{name}.npz", kind).passed_through, name
    after = toy.contents()
    made_again = {str((refinement / "001" / name).relative_to(toy.folder)) for name in kept}
    assert {path for path, content in before.items() if after[path] != content} <= made_again
