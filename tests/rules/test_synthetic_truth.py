"""Synthetic truth through the rules: a student recovers the parameters of a teacher from two of its properties."""

import numpy as np
import pandas as pd
import pytest
from campaigns import copy_workflow

from dynrefine.files.models import read_model
from dynrefine.files.tables import read_measured

pytestmark = pytest.mark.slow

TRUE = {"sigma": 3.4, "epsilon": 0.0103407}  # Å, eV: 0.99773 kJ/mol
START = {"sigma": 3.468, "epsilon": 0.0093}  # 2 % and 10 % away
LAST = "refinement/002"
MODEL = {"kind": "lennard_jones", "cutoff": 6.2, "truncation": "truncated"}
EXACT = {"sigma": 0.006, "epsilon": 0.01}  # relative; what the noise of three iterations leaves
KILOJOULES_PER_MOLE = 0.01036427  # eV


def potential(parameters):
    epsilon = parameters["epsilon"] / KILOJOULES_PER_MOLE
    return MODEL | {"sigma": parameters["sigma"], "epsilon": epsilon}


@pytest.fixture(scope="module")
def taught(tmp_path_factory):
    """A student of liquid argon refined against the pressure and the enthalpy of vaporisation of its teacher."""
    campaign = copy_workflow(tmp_path_factory.mktemp("taught"), name="argon")
    configuration = campaign.configure(
        "taught.yaml",
        precision="float32",
        teacher={"potential": potential(TRUE)},
        potential=potential(START) | {"tail_correction": True},
        states=[{"temperature": 94.4, "density": 1.374, "atoms": 64}],
        ensemble={"chunks": 1, "replicas": 32, "samples_per_replica": 6, "friction": 2, "reuse": 1.0}
        | {"equilibration": 6.0, "decorrelation": 0.8, "masses": {}},
        trajectory={"length": 32, "sampling_interval": 16},
        objective={
            "observables": {
                "pressure": {"synthetic": True, "scale": 4100, "weight": 6},
                "vaporisation_enthalpy": {"synthetic": True, "weight": 3.3},
            }
        },
        gradient={"depth": 32, "replicas": 2},
        optimiser={"iterations": 3, "name": "sgd", "learning_rate": 5000, "learning_rate_decay": 0.85}
        | {"clip_norm": 1000.0, "parameter_scales": {"sigma": 0.004, "epsilon": 4.1e-5}},
        validation={"chunks": 1, "replicas": 32, "samples_per_replica": 6, "equilibration": 6.0}
        | {"decorrelation": 0.8, "length": 32, "properties": {}, "states": []},
    )
    wanted = (
        f"results/argon/{LAST}/updated_potential.npz",
        "results/argon/validation/refined/against_teacher.csv",
    )
    campaign.run(*wanted, configuration=configuration, cores=2)
    return campaign


def test_targets_are_what_the_teacher_has_with_their_errors(taught):
    properties = pd.read_csv(taught.results / "validation/teacher/properties.csv").set_index("property")
    for name in ("pressure", "vaporisation_enthalpy"):
        path = taught.results / f"targets/{name}_94K.csv"
        ((_, value, error),) = read_measured(path, rows=1)
        row = properties.loc[name]
        assert (value, error) == pytest.approx((row.value, row.standard_error), rel=1e-6)
        assert np.isnan(row.measured) and f"{name} loss" not in properties.index
        assert "synthetic" in path.read_text().splitlines()[0]


def test_the_student_recovers_the_parameters_of_its_teacher(taught):
    found = read_model(taught.results / f"{LAST}/updated_potential.npz").parameters["trainable"]
    for name, true in TRUE.items():
        assert abs(START[name] / true - 1.0) > 3.0 * EXACT[name]
        assert float(found[name]) == pytest.approx(true, rel=EXACT[name])


def test_the_comparison_with_the_teacher_tells_parameters_and_forces(taught):
    table = pd.read_csv(taught.results / "validation/refined/against_teacher.csv")
    parameters = table[table.role == "parameter"].set_index("quantity")
    for name, true in TRUE.items():
        assert parameters.teacher[name] == pytest.approx(true, rel=1e-5)
        assert parameters.value[name] == pytest.approx(true, rel=EXACT[name])
    (forces,) = (row for _, row in table[table.role == "force"].iterrows())
    assert forces["where"] == "configurations of the teacher, 94K"
    assert 0.0 < forces.value < 0.1 * forces.teacher  # 0.23 at the start
