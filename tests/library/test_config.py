from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from dynrefine.config import check_files, load_config
from dynrefine.config.data import CP2K
from dynrefine.config.dynamics import State, state_labels
from dynrefine.config.observables import OBSERVABLES
from dynrefine.config.reference import COMMAND, documents
from dynrefine.errors import CampaignError

ROOT = Path(__file__).parents[2]
CONFIGURATIONS = sorted([*ROOT.glob("config/*.yaml"), *ROOT.glob("tests/config/*.yaml")])


def minimal(**sections):
    values = {
        "campaign": {"name": "test"},
        "dataset": {"files": ["frames.extxyz"]},
        "states": [{"temperature": 300, "density": 0.997}],
        "objective": {"observables": {"infrared": {"target": "target.csv"}}},
    }
    return values | sections


def argon(**sections):
    """The least of a campaign without a data set."""
    values = {
        "campaign": {"name": "test"},
        "elements": [{"symbol": "Ar", "mass": 39.948, "charge": 0}],
        "potential": {"kind": "lennard_jones", "sigma": 3.4, "epsilon": 1.0},
        "states": [{"temperature": 94.4, "density": 1.374, "atoms": 346}],
        "objective": {"observables": {"diffusion": {"element": "Ar", "target": 2.36, "window": 400}}},
        "optimiser": {"name": "adam"},
    }
    return values | sections


def problems(**sections):
    with pytest.raises(CampaignError) as caught:
        load_config(minimal(**sections))
    return str(caught.value).splitlines()


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=lambda path: path.name)
def test_shipped_configurations_are_valid(path):
    load_config(path)


@pytest.mark.parametrize("name", documents())
def test_generated_documents_are_in_step(name):
    written = (ROOT / "config" / name).read_text(encoding="utf-8")
    assert written == documents()[name], f"config/{name} is out of step with the models: run `{COMMAND}`"


def test_reference_shows_the_defaults():
    shown = load_config(ROOT / "config/reference.yaml")
    same = load_config(minimal(optimiser=shown.optimiser.model_dump()))
    for section in ("potential", "training", "ensemble", "trajectory", "gradient", "optimiser"):
        assert getattr(shown, section) == getattr(same, section)
    examples = {"diffusion", "structure"}  # computed only when asked for
    assert shown.validation.model_dump(exclude=examples) == same.validation.model_dump(exclude=examples)


@pytest.mark.parametrize(
    ("sections", "sentence"),
    [
        (
            {"optimiser": {"iteration": 7}},
            "optimiser.iteration (value 7) is not a known key, expected 'iterations': correct the spelling.",
        ),
        (
            {"iterations": 5},
            "iterations (value 5) is not a known key here, expected at optimiser.iterations: move it there.",
        ),
        (
            {"states": [{"temperature": -5, "density": 1}]},
            "states[0].temperature is -5, expected a number above 0 (Temperature, K): correct it.",
        ),
        (
            {"states": [{"temperature": 300}]},
            "states[0].density is missing (Mass density the cell is scaled to, g/cm³): "
            "add it, for instance as in config/reference.yaml.",
        ),
        (
            {"objective": {"observables": {"infrarred": {"target": 1}}}},
            "objective.observables.infrarred (value {'target': 1}) is not a known key, expected 'infrared': "
            "correct the spelling.",
        ),
        (
            {"trajectory": 5},
            "trajectory is 5, expected a section of keys "
            "(Constant-energy trajectories from the starting points): correct it.",
        ),
        (
            {"trajectory": {"sampling_interval": 1.7, "length": 340}, "validation": {"length": 340}},
            "trajectory.sampling_interval is 1.7 fs, expected a multiple of trajectory.timestep, 0.5 fs: "
            "change one of them.",
        ),
        (
            {"gradient": {"depth": 300}},
            "gradient.depth is 300 fs, expected at most trajectory.length, 200 fs: "
            "lower the depth or lengthen the trajectories.",
        ),
        (
            {"gradient": {"check": {"steps": 7}}},
            "gradient.check.steps is 7, expected at least 8, two sampling intervals, since no force acts before the "
            "first frame: raise it.",
        ),
        (
            {"validation": {"chunks": 1, "replicas": 1}},
            "validation has one chunk of one replica, expected two or more in all for error bars: "
            "raise validation.replicas.",
        ),
        (
            {"dataset": {"files": ["a"], "fractions": {"train": 0.7}}},
            "dataset.fractions add up to 0.9, expected 1: change train, validation or test.",
        ),
        (
            {"dataset": {"files": [{"url": "https://example.org/frames.extxyz"}]}},
            "dataset.files[0].sha256 is missing, expected the checksum of the download: "
            "add what sha256sum says.",
        ),
        (
            {"objective": {"observables": {"infrared": {"target": "x", "window": 900}}}},
            "objective.observables.infrared.window is 900 fs, expected at most twice trajectory.length, "
            "400 fs: shorten the window or lengthen the trajectories.",
        ),
        (
            {"objective": {"observables": {"infrared": {"target": "x", "bands": [{"range": [1, 9000]}]}}}},
            "objective.observables.infrared.bands[0].range is [1, 9000] cm⁻¹, expected an end of at most "
            "5837 cm⁻¹ with trajectory.sampling_interval 2 fs: record more often or end the band earlier.",
        ),
        (
            {"potential": {"kind": "lennard_jone"}},
            "potential.kind is 'lennard_jone', expected 'eann' or 'lennard_jones': correct it.",
        ),
        (
            {"potential": {"kind": "lennard_jones", "sigma": -3, "epsilon": 1}},
            "potential.sigma is -3, expected a number above 0 (Where the pair energy is zero, at the start, Å): "
            "correct it.",
        ),
        (
            {"potential": {"kind": "lennard_jones", "sigma": 3, "epsilon": 1, "hidden_layers": [3]}},
            "potential.hidden_layers (value [3]) is not a known key here, expected at dipole.hidden_layers: "
            "move it there.",
        ),
    ],
)
def test_a_wrong_key_gets_one_sentence(sections, sentence):
    assert problems(**sections) == [sentence]


@pytest.mark.parametrize(
    ("sections", "sentence"),
    [
        (
            {"potential": {"kind": "eann"}, "states": [{"temperature": 94.4, "density": 1.374, "atoms": 3}]},
            "dataset is missing, expected one to train the eann potential on: add it.",
        ),
        (
            {"states": [{"temperature": 94.4, "density": 1.374}]},
            "states[0].atoms is missing, expected how many atoms there are without a data set: add it.",
        ),
        (
            {"optimiser": {}},
            "optimiser.name is 'natural', expected adam or sgd, since there are no ab initio frames to measure a "
            "step by: change it.",
        ),
        (
            {"optimiser": {"name": "adam", "parameter_scales": {"sigma": 1, "gamma": 1}}},
            "optimiser.parameter_scales.gamma is given, expected parameters of the lennard_jones potential: sigma, "
            "epsilon: rename or remove it.",
        ),
        (
            {"optimiser": {"name": "adam"}, "gradient": {"check": {"total_derivative": {"gamma": 1}}}},
            "gradient.check.total_derivative.gamma is given, expected parameters of the lennard_jones potential: "
            "sigma, epsilon: rename or remove it.",
        ),
        (
            {
                "objective": {"observables": {"pressure": {"target": 1.0, "scale": 100}}},
                "gradient": {"depth": "auto"},
            },
            "gradient.depth is 'auto', expected a number of fs, since no observable is followed along the "
            "trajectories: change it, any depth will do.",
        ),
        (
            {"validation": {"diffusion": {"element": "O"}}},
            "validation.diffusion.element is 'O', expected one of Ar: correct it.",
        ),
        (
            {"ensemble": {"masses": {"H": 3.0}}},
            "ensemble.masses.H is given, expected elements: Ar: remove or correct it.",
        ),
    ],
)
def test_a_campaign_without_a_data_set_says_what_it_lacks(sections, sentence):
    load_config(argon())
    with pytest.raises(CampaignError) as caught:
        load_config(argon(**sections))
    assert str(caught.value) == sentence


def test_all_problems_are_told_at_once():
    assert len(problems(precision="float16", optimiser={"name": "adamw"}, extra=1)) == 3


def test_yaml_errors_name_file_and_line(tmp_path):
    path = tmp_path / "campaign.yaml"
    path.write_text("campaign:\n  name: [a\n")
    with pytest.raises(CampaignError, match=r"campaign.yaml, line \d+ is not valid YAML"):
        load_config(path)


def test_numbers_written_without_a_point_are_numbers():
    values = yaml.safe_load("{learning_rate: 1e-3}")
    assert load_config(minimal(optimiser=values)).optimiser.learning_rate == 1e-3


def test_observables_that_are_not_fitted_are_absent_from_the_settings():
    observables = load_config(minimal()).objective.observables
    assert list(observables.chosen()) == list(observables.model_dump()) == ["infrared"]


def test_states_are_named_by_temperature_and_by_density_where_needed():
    states = [State(temperature=t, density=d) for t, d in ((298.15, 0.997), (350, 0.97), (350, 1.1))]
    assert state_labels(states) == ["298K", "350K_0.97", "350K_1.1"]


def test_validation_differs_from_refinement_only_where_it_says_so():
    config = load_config(minimal(ensemble={"friction": 3, "replicas": 5}, validation={"length": 500}))
    assert config.validation_ensemble().friction == 3
    assert config.validation_ensemble().replicas == config.validation.replicas
    assert config.validation_trajectory() == config.trajectory.model_copy(update={"length": 500})


def test_missing_files_and_small_cells_are_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = load_config(minimal(potential={"cutoff": 9.0}, dipole={"cutoff": 4.0}))
    with pytest.raises(CampaignError, match="dataset.files.0. is 'frames.extxyz', expected an existing file"):
        check_files(config)
    Path("target.csv").touch()
    Path("frames.extxyz").write_text(
        '1\nLattice="4 0 0 0 5 0 0 0 6" Properties=species:S:1:pos:R:3\nO 0 0 0\n'
    )
    with pytest.raises(CampaignError, match="potential.cutoff is 9 Å, expected at most 8.00 Å"):
        check_files(config)
    check_files(load_config(minimal(potential={"cutoff": 7.0}, dipole={"cutoff": 4.0})))


@pytest.mark.parametrize("kind", ["series", "statics"])
def test_observables_ask_for_the_quantities_the_library_needs(kind):
    library = pytest.importorskip("dynrefine.observables").OBSERVABLES
    assert {name: getattr(settings, kind) for name, settings in OBSERVABLES.items()} == {
        name: getattr(observable, kind) for name, observable in library.items()
    }


def test_labelling_settings_are_those_of_the_engine():
    cp2k = pytest.importorskip("dynrefine.labelling.cp2k")
    engine = {field.name: field.default for field in fields(cp2k.CP2KSettings)}
    assert CP2K().model_dump() == {k: v for k, v in engine.items() if k not in ("command", "threads")}
