"""Surfaces whose parameters come from a file: what is taken, and what is told of a file that does not suit."""

from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from systems import DIPOLE, ELEMENTS, POTENTIAL

from dynrefine.campaign.job import Job
from dynrefine.config import check_files, load_config
from dynrefine.config.steps import InitialPotential
from dynrefine.errors import CampaignError
from dynrefine.export.potential_file import write_exported
from dynrefine.files.models import create_model, load_model, save_model
from dynrefine.steps.initial_potential import initial_potential

pytestmark = pytest.mark.usefixtures("fast_compilation")


@pytest.fixture(scope="module")
def models():
    """A potential that a refinement left, and a dipole surface."""
    potential = create_model(POTENTIAL, ELEMENTS, jax.random.key(3))
    potential = potential.with_trainable(
        potential.parameters["trainable"], energy_offsets_eV=[-4.0, -1.0], converged=True, iteration=7
    )
    return {"potential": potential, "dipole": create_model(DIPOLE, ELEMENTS, jax.random.key(4))}


@pytest.fixture(scope="module")
def exported(models, tmp_path_factory):
    """Both in one file for users."""
    path = tmp_path_factory.mktemp("exported") / "both.npz"
    write_exported(path, models)
    return path


def taken(path, name, settings, folder, **others):
    """What the step makes of a file."""
    step = InitialPotential(
        elements=ELEMENTS,
        surface=settings.model_copy(update={"file": FILE.model_copy(update={"path": str(path), **others})}),
        name=name,
    )
    output = folder / f"{name}.npz"
    job = Job(SimpleNamespace(file=str(path)), SimpleNamespace(potential=str(output)), precision="float64")
    initial_potential(job, step)
    return load_model(output, settings, ELEMENTS)


FILE = type(POTENTIAL).model_validate({"file": "a.npz"}).file


@pytest.mark.parametrize("name", ["potential", "dipole"])
def test_parameters_are_those_of_the_file(models, exported, tmp_path, name):
    settings = {"potential": POTENTIAL, "dipole": DIPOLE}[name]
    save_model(tmp_path / "own.npz", models[name])
    digest = sha256(exported.read_bytes()).hexdigest()
    for path, options in ((exported, {"sha256": digest}), (tmp_path / "own.npz", {})):
        found = taken(path, name, settings, tmp_path, **options)
        jax.tree.map(np.testing.assert_array_equal, found.parameters, models[name].parameters)
        assert found.metadata.get("energy_offsets_eV") == models[name].metadata.get("energy_offsets_eV")
        assert not found.converged


def test_another_file_is_refused_by_the_job(exported, tmp_path, models):
    with pytest.raises(CampaignError, match="has the SHA-256 [0-9a-f]{64}, expected 0{64}"):
        taken(exported, "potential", POTENTIAL, tmp_path, sha256=64 * "0")
    with pytest.raises(
        CampaignError, match="other settings: cutoff is 3.0 in the file and 4.0 in the config"
    ):
        taken(exported, "potential", POTENTIAL.model_copy(update={"cutoff": 4.0}), tmp_path)
    with pytest.raises(CampaignError, match="holds potential, dipole, expected a polarizability"):
        taken(exported, "polarizability", DIPOLE, tmp_path)


def problems(section="optimiser", trainable=(), **changes):
    """What is told before the first job of a campaign with this dipole surface and these free parameters."""
    values = {
        "campaign": {"name": "test"},
        "dataset": {"files": ["frames.extxyz"]},
        "states": [{"temperature": 300, "density": 0.997}],
        "objective": {"observables": {"infrared": {"target": "target.csv"}}},
    }
    Path("frames.extxyz").touch()
    Path("target.csv").write_text("wavenumber_cm-1,n_alpha_cm-1\n1,1\n5000,1\n")
    own = {**DIPOLE.model_dump(exclude={"file"}), **changes}
    with pytest.raises(CampaignError) as caught:
        check_files(load_config(values | {"dipole": own, section: {"trainable": list(trainable)}}))
    return str(caught.value)


def test_a_file_that_does_not_suit_is_told_before_the_first_job(exported, tmp_path, monkeypatch, models):
    monkeypatch.chdir(tmp_path)
    save_model("other.npz", models["potential"])
    assert "dipole.file is 'none.npz', expected an existing file" in problems(file="none.npz")
    found = problems(file={"path": str(exported), "sha256": 64 * "0"})
    assert f"SHA-256 {sha256(exported.read_bytes()).hexdigest()}, expected {64 * '0'}" in found
    assert "cutoff is 2.5 in the file and 3.5 in the configuration" in problems(
        file=str(exported), cutoff=3.5
    )
    assert "kind is eann in the file and dipole in the configuration" in problems(file="other.npz")
    Path("text.npz").write_text("text")
    assert "dipole.file: text.npz is truncated or not an array file" in problems(file="text.npz")
    missing = problems(file={"url": "https://example.org/dipole.npz"})
    assert "dipole.file.sha256 is missing, expected the checksum of the download" in missing


@pytest.mark.parametrize(
    ("section", "kind"), [("optimiser", "eann"), ("training", "eann"), ("dipole_training", "dipole")]
)
def test_patterns_that_match_no_parameter_are_told_before_the_first_job(tmp_path, monkeypatch, section, kind):
    monkeypatch.chdir(tmp_path)
    found = problems(section, trainable=["layers/*", "!embedding/*"])
    assert (
        f"{section}.trainable[1] is '!embedding/*', expected a pattern that matches parameters of the {kind}"
        in found
    )
    assert "layers/0/weights" in found
    assert "expected patterns that leave a parameter free" in problems(section, trainable=["!*"])
