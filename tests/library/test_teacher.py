"""What a teacher makes of a campaign: targets in files, and how far its student is from it."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
import yaml
from finished_campaign import ROOT, FinishedCampaign
from systems import ELEMENTS, made_up_ensemble

from dynrefine.campaign.job import Job
from dynrefine.config import load_config
from dynrefine.config.dynamics import JudgeSettings, State, TrajectorySettings
from dynrefine.config.objective import TargetsSettings
from dynrefine.config.properties import Observables
from dynrefine.config.properties.base import Band
from dynrefine.config.properties.spectra import InfraredSettings, RamanSettings
from dynrefine.config.properties.structure import StructureFactorSettings
from dynrefine.config.properties.thermodynamics import PressureSettings
from dynrefine.config.steps import Validate, WriteTarget
from dynrefine.errors import CampaignError
from dynrefine.files.curves import curve_of, save_curves
from dynrefine.files.tables import read_measured
from dynrefine.refinement.gathering import observables_of
from dynrefine.refinement.validation import Findings, add_judged, judged_properties
from dynrefine.report.results import Taught
from dynrefine.report.teacher import teacher_chapter
from dynrefine.steps.compare_with_teacher import root_mean_square
from dynrefine.steps.write_target import write_target

ARGON = yaml.safe_load((ROOT / "tests/config/argon.yaml").read_text(encoding="utf-8"))
LENNARD_JONES = {"kind": "lennard_jones", "sigma": 3.4, "epsilon": 1.0, "cutoff": 6.5}


def taught(**changes):
    """The toy of argon whose pressure is that of a teacher, with other sections."""
    pressure = {"pressure": {"synthetic": True, "scale": 1000}}
    own = {"objective": {"observables": pressure}, "teacher": {"potential": LENNARD_JONES}}
    return ARGON | own | changes


def taught_water(**teacher):
    """The least of a campaign of 64 molecules of classical water, in a cell 12.43 Å wide, that has a teacher."""
    return {
        "campaign": {"name": "water"},
        "potential": {"kind": "flexible_water"},
        "states": [{"temperature": 298.15, "density": 0.997, "atoms": 192}],
        "objective": {"observables": {"pressure": {"synthetic": True, "scale": 1000}}},
        "optimiser": {"name": "adam"},
        "teacher": teacher,
    }


def made(folder, name, abscissa, values, errors):
    """The file of a target that a teacher with this property made."""
    nothing, axes = np.full(len(values), np.nan), (("place", "cm⁻¹"), ("property", "bar"))
    arrays = [np.asarray(each, np.float32) for each in (values, errors)]
    curves = [curve_of(each, "300K", axes, (abscissa, nothing), arrays) for each in ("other", name)]
    save_curves(folder / "curves.npz", curves)
    path = folder / f"{name}.csv"
    inputs, outputs = SimpleNamespace(curves=folder / "curves.npz"), SimpleNamespace(target=path)
    write_target(Job(inputs, outputs, {"property": name, "state": "300K"}), WriteTarget())
    return str(path)


def test_a_target_holds_what_the_teacher_has_and_says_that_it_is_synthetic(tmp_path):
    path = made(tmp_path, "spectrum", [20.0, 40.0], [3.0, 4.0], [0.3, 0.4])
    np.testing.assert_allclose(read_measured(path), [[20.0, 3.0, 0.3], [40.0, 4.0, 0.4]], rtol=1e-6)
    comment, header = Path(path).read_text(encoding="utf-8").splitlines()[:2]
    assert (
        comment
        == "# spectrum: synthetic, from the trajectories of the teacher, with a statistical error of 10 %."
    )
    assert header == "place (cm⁻¹),property (bar),standard error"


BANDS, PLACES = [Band(range=[100.0, 400.0])], np.arange(100.0, 401.0, 100.0)
SPECTRUM = {"resolution": 100.0, "bands": BANDS, "window": 20.0, "synthetic": True}
VALUES = np.array([5.0, 1.0, 7.0, 2.0])
SYNTHETIC = {
    "infrared": InfraredSettings(**SPECTRUM),
    "raman": RamanSettings(**SPECTRUM, form="stokes"),
    "structure_factor": StructureFactorSettings(range=[2.0, 3.5], resolution=0.5, synthetic=True),
    "pressure": PressureSettings(scale=100.0, synthetic=True),
}


@pytest.fixture
def synthetic(tmp_path):
    """Settings of these properties with files that the teacher made, a state, and its chunks."""
    curves = [name for name in SYNTHETIC if name != "pressure"]
    files = {f"{name}_300K": made(tmp_path, name, PLACES, VALUES, 0.1 * VALUES) for name in curves}
    files["pressure_300K"] = made(tmp_path, "pressure", [300.0], [-12.5], [1.5])
    settings = Validate.model_construct(
        elements=ELEMENTS,
        trajectory=TrajectorySettings(sampling_interval=2.0),
        objective=TargetsSettings(observables=Observables(**SYNTHETIC)),
        validation=JudgeSettings(properties=Observables()),
        synthetic_targets=files,
    )
    ensemble = made_up_ensemble(np.array([0, 1, 1]), 6.0 * np.eye(3), np.zeros((2, 3, 3)))
    return settings, State(temperature=300.0, density=1.0), [ensemble]


def test_synthetic_targets_are_compared_as_they_are(synthetic):
    """A measured spectrum is broadened, a measured structure factor cut off: the teacher's have gone through that."""
    found = observables_of(*synthetic)
    for name in ("infrared", "raman", "structure_factor"):
        np.testing.assert_allclose(found[name].target, VALUES, rtol=1e-6)
    assert found["pressure"].target == pytest.approx([-12.5])


def test_synthetic_targets_have_the_errors_of_the_teacher(synthetic):
    judged = {each.name: each for each in judged_properties(*synthetic, seen=True)}
    for name in ("infrared", "raman", "structure_factor"):
        np.testing.assert_allclose(judged[name].target_error, 0.1 * VALUES, rtol=1e-6)
    assert judged["pressure"].target_error == pytest.approx([1.5])
    findings = Findings()
    add_judged(findings, "300K", judged["pressure"], jnp.asarray([10.0, 20.0]))
    (row,) = (row for row in findings.rows if row["role"] == "value")
    assert (row["measured"], row["measured_error"]) == pytest.approx((-12.5, 1.5))


def test_a_number_takes_its_uncertainty_from_the_file():
    settings = PressureSettings(scale=100.0, synthetic=True).measured_as(np.array([[300.0, -12.5, 1.5]]))
    assert (settings.target, settings.target_error) == (-12.5, 1.5)


def test_the_teacher_has_its_potential_and_no_synthetic_target():
    campaign = load_config(taught())
    labels = [f"pressure_{label}" for label in ("94K", "140K", "120K")]  # the last of the validation alone
    assert campaign.synthetic_targets == {name: f"results/argon/targets/{name}.csv" for name in labels}
    teacher = campaign.of_teacher()
    assert (teacher.potential.sigma, campaign.potential.sigma) == (3.4, 3.38)
    assert teacher.synthetic_targets == {}
    assert teacher.objective.observables.chosen().keys() == {"pressure"}
    assert campaign.objective.observables.chosen()["pressure"].synthetic  # unchanged


def test_properties_under_names_of_their_own_may_be_synthetic():
    section = {"kind": "diffusion", "element": "Ar", "window": 64, "synthetic": True}
    campaign = load_config(taught(validation=ARGON["validation"] | {"properties": {"slow": section}}))
    assert "slow_94K" in campaign.synthetic_targets
    assert not campaign.of_teacher().validation.properties.chosen()["slow"].synthetic


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"teacher": None},
            "objective.observables.pressure.synthetic is true where there is no teacher, expected a section teacher, "
            "which makes the target: add it, or give a target.",
        ),
        (
            {"objective": {"observables": {"pressure": {"synthetic": True, "target": 1.0, "scale": 1000}}}},
            "objective.observables.pressure has a target and is synthetic, expected one of the two: remove target or "
            "synthetic.",
        ),
        (
            {"objective": {"observables": {"pressure": {"target": 1.0, "scale": 1000}}}},
            "teacher is given where no property is synthetic, expected a property that takes its target from it: set "
            "synthetic: true for one, or remove the teacher.",
        ),
        (
            {"teacher": {"potential": {"kind": "eann"}}},
            "teacher.dataset is missing, expected one to train the eann potential on: add it.",
        ),
        (
            {"teacher": {"dataset": {"files": ["frames.extxyz"]}}},
            "teacher.dataset is given, expected none, since the lennard_jones potential is not trained: remove it.",
        ),
        (
            {"teacher": {"potential": LENNARD_JONES | {"truncation": "shifted"}}},
            "teacher.potential.tail_correction is true where teacher.potential.truncation is 'shifted', expected "
            "truncated or switched, which leave the energy within the cutoff as it is: change one of them.",
        ),
    ],
)
def test_a_teacher_that_does_not_suit_is_refused(changes, said):
    with pytest.raises(CampaignError) as refusal:
        load_config(taught(**changes))
    assert str(refusal.value).splitlines() == [said]


def test_a_teacher_from_a_file_needs_no_frames():
    network = {"kind": "eann", "file": "teacher.npz"}
    load_config(taught(teacher={"potential": network}))
    with pytest.raises(CampaignError) as refusal:
        load_config(taught(teacher={"potential": network, "dataset": {"files": ["frames.extxyz"]}}))
    assert str(refusal.value) == (
        "teacher.dataset is given, expected none, since the eann potential is not trained: remove it."
    )


FRAMES = {"files": ["frames.extxyz"]}


@pytest.mark.parametrize(
    ("potential", "dataset", "said"),
    [
        (
            LENNARD_JONES,
            None,
            "elements lists 2 elements, expected one, since the lennard_jones potential does not support "
            "mixtures: remove the others, or change teacher.potential.",
        ),
        (
            # α = 3.2/9 1/Å: 3.2² · 12.43/9/π = 4.5 waves
            {"kind": "flexible_water", "electrostatics": "ewald", "reciprocal_vectors": [8, 8, 4]},
            None,
            "teacher.potential.reciprocal_vectors is [8, 8, 4], expected 5 or more for states[0], whose cell is "
            "12.43 Å wide: raise them, or lengthen teacher.potential.cutoff.",
        ),
        (
            {"kind": "flexible_water", "electrostatics": "ewald", "damping": 0},
            None,
            "teacher.potential.damping is 0, expected a positive number with ewald: change it or leave it out.",
        ),
        (
            {"kind": "eann"},
            FRAMES,
            "teacher.potential.kind is 'eann' where there is no section dataset, expected one with "
            "molecules to start the sampling from, since a lattice holds only one of 2 elements: change it.",
        ),
    ],
)
def test_a_teacher_of_water_is_checked_as_its_student_is(potential, dataset, said):
    load_config(taught_water(potential={"kind": "flexible_water", "electrostatics": "ewald"}))
    with pytest.raises(CampaignError) as refusal:
        load_config(taught_water(potential=potential, dataset=dataset))
    assert str(refusal.value).splitlines() == [said]


@pytest.mark.parametrize(
    ("potential", "dataset", "said"),
    [
        (
            {"kind": "flexible_water"},
            None,
            "elements lists Ar, expected O and H, since the flexible_water potential supports no others: change "
            "them, or teacher.potential.",
        ),
        (
            {"kind": "eann", "triple_products": 4, "angular_momentum": 1},
            FRAMES,
            "teacher.potential.triple_products is 4, expected 0 where teacher.potential.angular_momentum is 1, since "
            "triple products need tensors: set it to 0, or angular_momentum to 2.",
        ),
        (
            {"kind": "nequix", "known_elements": ["O", "H"]},
            FRAMES,
            "teacher.potential.known_elements lacks Ar, expected chemical symbols that include those of elements: "
            "correct it.",
        ),
    ],
)
def test_a_teacher_of_argon_is_checked_as_its_student_is(potential, dataset, said):
    with pytest.raises(CampaignError) as refusal:
        load_config(taught(teacher={"potential": potential, "dataset": dataset}))
    assert str(refusal.value).splitlines() == [said]


def test_differences_of_forces_have_the_errors_of_independent_frames():
    generator = np.random.default_rng(3)
    frames, atoms = 4000, 3
    forces = generator.normal(0.0, 0.1, (frames, atoms, 3))
    present = np.ones((frames, atoms), bool)
    present[:, 2] = False
    found = root_mean_square(forces, present)
    assert found["value"] == pytest.approx(100.0, abs=3.0 * found["standard_error"])
    # the relative error of a root mean square of n independent numbers is 1/√(2n)
    assert found["standard_error"] == pytest.approx(100.0 / np.sqrt(2.0 * 6 * frames), rel=0.1)
    assert root_mean_square(0.0 * forces, present) == {"value": 0.0, "standard_error": 0.0}


def test_the_report_shows_teacher_and_student_side_by_side(tmp_path):
    finished = FinishedCampaign(tmp_path, spectrum=False).read()
    campaign = load_config(taught(states=[{"temperature": 300, "density": 1.374, "atoms": 64}]))
    columns = ["role", "where", "quantity", "value", "standard_error", "teacher", "unit"]
    initial, refined = (
        pd.DataFrame(
            [
                ("parameter", "", "sigma", sigma, np.nan, 3.4, "Å"),
                ("force", "test frames", "all atoms", force, 1.0, 800.0, "meV/Å"),
            ],
            columns=columns,
        )
        for sigma, force in ((3.5, 100.0), (3.41, 50.0))
    )
    properties = finished.properties["initial"].assign(value=lambda table: table.value + 1.0)
    results = replace(
        finished, campaign=campaign, taught=Taught(properties, {"initial": initial, "refined": refined})
    )
    chapter = teacher_chapter(results)
    assert chapter.text.startswith(
        "The targets of Pressure are synthetic: not measured, but computed with a teacher"
    )
    parameters, forces, values = chapter.blocks
    assert parameters.rows == [("sigma (Å)", "3.5000", "3.4100", "3.4000", "−90.0 %".replace(" ", "\u00a0"))]
    assert forces.rows[0][1:4] == ("800", "100.0(10)", "50.0(10)")
    assert {row[0] for row in values.rows} >= {"Diffusion"}
    assert teacher_chapter(finished).blocks == []
