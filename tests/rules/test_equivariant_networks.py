"""A network of another package is trained, refined and taken back as docs/equivariant_networks.md says."""

import subprocess
from importlib.util import find_spec
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import pytest
import yaml
from campaigns import ROOT, copy_workflow
from pages import blocks_of, shell_of

from dynrefine.files.arrays import read_arrays
from dynrefine.files.history import load_history

PAGE = "docs/equivariant_networks.md"
FORCES = 851  # meV/Å, root mean square over the frames: the error of a potential without forces
# Sizes at which the numbers mean nothing.
SMALL = {
    "potential": {"features": "4x0e + 4x1o", "angular_momentum": 1},
    "training": {"epochs": 8, "batch_size": 8, "checkpoint_interval": 8},
    "dipole_training": {"epochs": 8},
    "ensemble": {"chunks": 1, "replicas": 2, "equilibration": 0.02, "decorrelation": 0.01},
    "optimiser": {"iterations": 1},
    "gradient": {"depth": 8, "check": {"replicas": 1, "steps": 8, "parameters": 1}},
    "validation": {
        "length": 20,
        "samples_per_replica": 1,
        "properties": {"rdf": {"pair": ["O", "O"], "target": "workflow/data/targets/water_rdf_OO_295K.csv"}},
    },
}


@pytest.mark.slow
@pytest.mark.skipif(
    find_spec("nequix") is None,
    reason="nequix is not installed: pip install --no-deps -r envs/nequix.txt",
)
def test_what_the_page_says_runs(tmp_path, monkeypatch):
    """Its commands in a shell, its Python in one session; its sections in the configuration of the toy."""
    toy = copy_workflow(tmp_path)
    blocks = blocks_of(PAGE)
    (sections,) = (yaml.safe_load(text) for language, text in blocks if language == "yaml")
    for section, values in SMALL.items():
        sections[section] = sections.get(section, {}) | values
    configuration = yaml.safe_load((ROOT / "tests/config/toy.yaml").read_text(encoding="utf-8"))
    for section, values in sections.items():
        own = {} if section in ("potential", "training") else configuration[section]
        configuration[section] = own | values
    (tmp_path / "nequix.yaml").write_text(yaml.safe_dump(configuration), encoding="utf-8")

    monkeypatch.chdir(tmp_path)
    session = {}
    with (
        jax.numpy_dtype_promotion("standard"),
        jax.numpy_rank_promotion("allow"),
        jax.enable_x64(False),
    ):
        for language, text in blocks:
            if language == "bash":
                subprocess.run(["bash", "-euo", "pipefail", "-c", text], env=shell_of(toy), check=True)
            elif language == "python":
                exec(compile(text, PAGE, "exec"), session)

    toy.run(configuration="nequix.yaml")  # the rest, to the report
    results = Path("results/nequix16")
    check = pd.read_csv(results / "check_gradient/gradient_check.csv")
    deviations = check[check.precision == "float64"].set_index("comparison").relative_error
    assert deviations["backpropagation"] < 1e-5
    assert (deviations[["central difference"]] < 1e-3).all()
    assert "nequix16" in (results / "report.html").read_text(encoding="utf-8")
    errors = pd.read_csv(results / "pretraining/potential_errors.csv").set_index(["part", "quantity"]).value
    assert errors["train", "force"] < 0.9 * FORCES
    history = load_history(results / "refinement/000/history.csv")
    assert history.by_quantity("gradient")["whole", ""].value.min() > 0.0
    before, after = (
        read_arrays(path, "model").group("trainable")
        for path in (results / "pretraining/potential.npz", results / "refinement/000/updated_potential.npz")
    )
    assert all(np.any(before[name] != after[name]) for name in before)
    np.testing.assert_allclose(session["atoms"].get_forces(), session["own"], atol=1e-4)
    section = yaml.safe_load(Path("potential.yaml").read_text())["potential"]
    assert section["known_elements"] == ["H", "O"]
