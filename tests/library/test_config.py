import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from pydantic import PydanticUserError
from snakemake.utils import update_config

from dynrefine.config import check_files, load_config
from dynrefine.config.base import Section
from dynrefine.config.dynamics import PathIntegralSettings, State, state_labels
from dynrefine.config.load import read_together, read_yaml
from dynrefine.config.properties import PROPERTIES
from dynrefine.config.reference import COMMAND, documents, write_documents
from dynrefine.errors import CampaignError
from dynrefine.quantities.base import quantity
from dynrefine.registry import plug_in

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
        "objective": {"observables": {"diffusion": {"element": "Ar", "target": 2.36, "window": 396}}},
        "optimiser": {"name": "adam"},
    }
    return values | sections


def water(**sections):
    """The least of a campaign with classical water."""
    values = argon(
        elements=[{"symbol": "O", "mass": 15.999, "charge": -2}, {"symbol": "H", "mass": 1.008, "charge": 1}],
        potential={"kind": "flexible_water"},
        states=[{"temperature": 298.15, "density": 0.997, "atoms": 192}],
        objective={"observables": {"infrared": {"target": "target.csv"}}},
    )
    return values | sections


DIFFUSION = {"element": "Ar", "target": 2.36, "window": 396}


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
    optional = {"path_integrals": PathIntegralSettings()}
    assert shown.validation == same.validation.model_copy(update=optional)


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
            {"surfaces": {"dipole": {"surface": {"kind": "dipole", "cutof": 3}}}},
            "surfaces.dipole.surface.cutof (value 3) is not a known key, expected 'cutoff': correct the spelling.",
        ),
        (
            {"surfaces": {"Dipole": {"surface": {"kind": "dipole"}}}},
            "surfaces.Dipole is 'Dipole', expected text that matches ^[a-z][a-z0-9_]*$: correct it.",
        ),
        (
            {"surfaces": {"dipole": {"surface": {"kind": "dipole"}, "training": {"epochs": True}}}},
            "surfaces.dipole.training.epochs is true, expected a number (YAML reads yes, no, on and off as true and "
            "false): correct it.",
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
            "add the output of sha256sum.",
        ),
        (
            {"validation": {"properties": {"einstein_diffusion": {"element": "O", "window": 2000.0}}}},
            "validation.properties.einstein_diffusion.window is 2000 fs, expected at most twice validation.length "
            "less two sampling intervals, 1996 fs: shorten the window or lengthen the trajectories.",
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
            "potential.kind is 'lennard_jone', expected 'eann' or 'lennard_jones' or 'flexible_water' or 'nequix' "
            "or the dotted name of a module outside the library: correct it.",
        ),
        (
            {"potential": {"kind": "lennard_jones", "sigma": -3, "epsilon": 1}},
            "potential.sigma is -3, expected a number above 0 (Initial distance at which the pair energy is zero, "
            "Å): correct it.",
        ),
        (
            {"potential": {"kind": "lennard_jones", "sigma": 3, "epsilon": 1, "hidden_layers": [3]}},
            "potential.hidden_layers (value [3]) is not a known key here, expected at dipole.hidden_layers or "
            "surfaces.*.surface.hidden_layers or teacher.potential.hidden_layers: move it there.",
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
            "states[0].atoms is missing, expected the number of atoms, since there is no data set: add it.",
        ),
        (
            {"optimiser": {}},
            "optimiser.name is 'natural', expected adam or sgd, since there are no ab initio frames to measure a "
            "step by: change it.",
        ),
        (
            {"optimiser": {"name": "adam", "parameter_scales": {"sigma": 1, "gamma": 1}}},
            "optimiser.parameter_scales.gamma is given, expected a parameter of the lennard_jones potential "
            "(sigma, epsilon): rename or remove it.",
        ),
        (
            {"optimiser": {"name": "adam"}, "gradient": {"check": {"total_derivative": {"gamma": 1}}}},
            "gradient.check.total_derivative.gamma is given, expected a parameter of the lennard_jones potential "
            "(sigma, epsilon): rename or remove it.",
        ),
        (
            {
                "objective": {"observables": {"pressure": {"target": 1.0, "scale": 100}}},
                "gradient": {"depth": "auto"},
            },
            "gradient.depth is 'auto', expected a number of fs, since no observable is followed along the "
            "trajectories: change it; any depth will do.",
        ),
        (
            {"ensemble": {"kind": "isobaric"}},
            "states[0].pressure is missing, expected one, since ensemble.kind is isobaric: add it, in bar.",
        ),
        (
            {"states": [{"temperature": 94.4, "density": 1.374, "atoms": 108, "pressure": 1.0}]},
            "states[0].pressure is 1 bar where ensemble.kind is canonical, expected none, since the density is "
            "fixed: remove it or set ensemble.kind: isobaric.",
        ),
        (
            {"objective": {"observables": {"density": {"target": 1.374}}}},
            "objective.observables.density is given where ensemble.kind is canonical, expected isobaric, since the "
            "density is fixed otherwise: set ensemble.kind: isobaric, or compare the pressure.",
        ),
        (
            {
                "states": [{"temperature": 94.4, "density": 1.374, "atoms": 108, "pressure": 1.0}],
                "ensemble": {"kind": "isobaric"},
                "objective": {"observables": {"pressure": {"target": 1.0, "scale": 100}}},
            },
            "objective.observables.pressure is given where ensemble.kind is isobaric, expected canonical, since the "
            "pressure is fixed otherwise: set ensemble.kind: canonical, or compare the density.",
        ),
        (
            {"validation": {"properties": {"long": DIFFUSION | {"kind": "diffusion", "element": "O"}}}},
            "validation.properties.long names the element 'O', expected one of Ar: correct it.",
        ),
        (
            {"validation": {"properties": {"diffusion": DIFFUSION}}},
            "validation.properties.diffusion is given, expected a property that is not fitted, since fitted "
            "ones are validated anyway: remove it, or give it a name of its own and kind: diffusion.",
        ),
        (
            {"objective": {"observables": {"rdf": {"pair": ["Ar", "Ar"]}}}},
            "objective.observables.rdf.target is missing, expected a measurement to fit: add it, or move the "
            "property to validation.properties.",
        ),
        (
            {
                "objective": {"observables": {"einstein_diffusion": DIFFUSION}},
                "gradient": {"depth": 150, "check": {"steps": 400}},
            },
            "gradient.depth is 150 fs, expected at least 198 fs, half of objective.observables.einstein_diffusion."
            "window: change one of them, or fit diffusion (Green-Kubo) instead.",
        ),
        (
            {"objective": {"observables": {"einstein_diffusion": DIFFUSION}}, "gradient": {"depth": 200}},
            "gradient.check.steps is 40, expected at least 396, half of objective.observables.einstein_diffusion."
            "window: change one of them.",
        ),
        (
            {"validation": {"properties": {"long": {"kind": "difusion"}}}},
            "validation.properties.long.kind is 'difusion', expected one of "
            + ", ".join(PROPERTIES)
            + " or the dotted name of a module "
            "outside the library: correct it.",
        ),
        (
            {"validation": {"properties": {"a/b": {"kind": "vibrations"}}}},
            "a property is called 'a/b', expected letters, digits and any of _.- in its name: rename it.",
        ),
        (
            {"validation": {"properties": {"long": DIFFUSION | {"kind": "diffusion", "window": -1}}}},
            "validation.properties.long.window is -1, expected a number above 0: correct it.",
        ),
        (
            {"validation": {"properties": {"viscosity": {"window": 300, "limit": 400}}}},
            "validation.properties.viscosity.limit is 400 fs, expected auto, or at least "
            "trajectory.sampling_interval, 2 fs, and at most validation.properties.viscosity.window, 300 fs: change "
            "it or the window.",
        ),
        (
            {"validation": {"properties": {"rdf": {"pair": ["Ar", "Ar"], "bin": 0.125}}}},
            "validation.properties.rdf.bin is 0.125 Å, expected a multiple of 0.01 Å: change it.",
        ),
        (
            {"validation": {"properties": {"van_hove": {"time": 301}}}},
            "validation.properties.van_hove.time is 301 fs, expected a multiple of trajectory.sampling_interval, 2 "
            "fs, and at most twice validation.length less two sampling intervals, 1996 fs: change it.",
        ),
        (
            {"validation": {"properties": {"van_hove": {"time": 1998}}}},
            "validation.properties.van_hove.time is 1998 fs, expected a multiple of trajectory.sampling_interval, 2 "
            "fs, and at most twice validation.length less two sampling intervals, 1996 fs: change it.",
        ),
        (
            {"validation": {"properties": {"structure_factor": {"range": [4, 2]}}}},
            "validation.properties.structure_factor.range is [4, 2], expected the lower end first: swap them.",
        ),
        (
            {"validation": {"properties": {"vibrations": {"range": [0, 9000]}}}},
            "validation.properties.vibrations.range is [0, 9000] cm⁻¹, expected an end of at most 5837 cm⁻¹ with "
            "trajectory.sampling_interval 2 fs: record more often or end it earlier.",
        ),
        (
            {"validation": {"diffusion": {"element": "Ar", "measured": 2.36}}},
            "validation.diffusion (value {'element': 'Ar', 'measured': 2.36}) is not a known key any more, expected "
            "validation.properties.diffusion, where measured is called target and measured_error is called "
            "target_error, or validation.properties.einstein_diffusion for the Einstein relation (if the property is "
            "also fitted, under another name with kind: diffusion): move it there.",
        ),
        (
            {"validation": {"structure": {"pair": ["Ar", "Ar"]}}},
            "validation.structure (value {'pair': ['Ar', 'Ar']}) is not a known key any more, expected "
            "validation.properties.rdf with the same keys: move it there.",
        ),
        (
            {"ensemble": {"masses": {"H": 3.0}}},
            "ensemble.masses.H is given, expected one of the elements Ar: remove or correct it.",
        ),
    ],
)
def test_a_campaign_without_a_data_set_says_what_it_lacks(sections, sentence):
    load_config(argon())
    with pytest.raises(CampaignError) as caught:
        load_config(argon(**sections))
    assert str(caught.value) == sentence


INFRARED = {"target": "target.csv"}
DIPOLE = {"surface": {"kind": "dipole"}}
RISING = {"learning_rate": 1e-3, "final_learning_rate": 2e-3}
BAND = {"observables": {"infrared": INFRARED | {"bands": [{"range": [900, 900]}]}}}
TWICE = [{"temperature": 300.2, "density": 1.0}, {"temperature": 299.9, "density": 1.0}]
WATER = [{"symbol": "O", "mass": 15.999, "charge": 0}, {"symbol": "H", "mass": 1.008, "charge": 0}]
SPECTRUM = "wavenumber_cm-1,n_alpha_cm-1\n0,0\n4000,10\n"
FUNCTION = "distance_A,g,error\n2,0,0\n6,1,0\n"
MOLECULE = '3\nLattice="4 0 0 0 5 0 0 0 6" Properties=species:S:1:pos:R:3\nO 0 0 0\nH 1 0 0\nH 0 1 0\n'
DOWNLOAD = {"url": "https://example.org/frames.extxyz", "path": "data/frames.extxyz", "sha256": 64 * "0"}


@pytest.mark.parametrize(
    ("campaign", "sections", "fragments"),
    [
        (
            argon,
            {"dataset": {"files": ["a"]}, "states": [{"temperature": 94.4, "density": 1.374}]},
            ["dataset is given", "none, since the lennard_jones potential is not trained"],
        ),
        (
            argon,
            {"labelling": {"geometries": "a"}, "states": [{"temperature": 94.4, "density": 1.374}]},
            ["labelling.geometries is given", "none, since the lennard_jones potential is not trained"],
        ),
        (
            argon,
            {"elements": [*argon()["elements"], *WATER]},
            ["elements lists 3 elements", "one, since the lennard_jones potential does not support mixtures"],
        ),
        (
            argon,
            {"objective": {"observables": {"diffusion": DIFFUSION, "infrared": INFRARED}}},
            ["objective.observables.infrared is given", "no property of a dipole surface"],
        ),
        *(
            (
                argon,
                {"potential": argon()["potential"] | {"truncation": truncation}},
                [
                    f"potential.tail_correction is true where potential.truncation is '{truncation}'",
                    "switched",
                ],
            )
            for truncation in ("shifted", "force_shifted")
        ),
        (
            argon,
            {"potential": argon()["potential"] | {"cutoff": 9.5, "switching_width": 9.5}},
            ["potential.switching_width is 9.5 Å", "less than potential.cutoff, 9.5 Å"],
        ),
        (
            minimal,
            {"optimiser": {"parameter_scales": {"sigma": 1.0}}},
            ["optimiser.parameter_scales.sigma is given", "a parameter of the eann potential (none"],
        ),
        (
            argon,
            {
                "validation": {"covariance": True},
                "potential": {"file": {"url": "a.npz", "path": "resources/a.npz", "sha256": 64 * "0"}},
            },
            ["validation.covariance is true", "no names and there are no ab initio frames"],
        ),
        (
            water,
            {"elements": [{"symbol": "Ar", "mass": 39.948, "charge": 0}]},
            ["elements lists Ar", "O and H, since the flexible_water potential supports no others"],
        ),
        (
            water,
            {"states": [{"temperature": 298.15, "density": 0.997, "atoms": 190}]},
            ["states[0].atoms is 190", "a multiple of 3, the atoms of a molecule"],
        ),
        (
            # α = 3.2/9 1/Å, a cell of 12.43 Å: 3.2² · 12.43/9/π = 4.5 waves
            water,
            {
                "potential": {
                    "kind": "flexible_water",
                    "electrostatics": "ewald",
                    "reciprocal_vectors": [4, 8, 8],
                }
            },
            [
                "potential.reciprocal_vectors is [4, 8, 8]",
                "5 or more for states[0], whose cell is 12.43 Å wide",
            ],
        ),
        (
            water,
            {"optimiser": {"name": "adam", "parameter_scales": {"gamma": 1.0}}},
            ["optimiser.parameter_scales.gamma is given", "sigma, epsilon, charge_H, bond_length"],
        ),
        (
            argon,
            {
                "optimiser": {"name": "adam", "trainable": ["epsilon"]},
                "gradient": {"check": {"total_derivative": {"sigma": 0.1}}},
            },
            [
                "gradient.check.total_derivative.sigma is given",
                "a parameter that optimiser.trainable leaves free",
            ],
        ),
        (
            minimal,
            {"optimiser": {"iterations": 3, "averaged": 4}},
            ["optimiser.averaged is 4", "at most optimiser.iterations, 3"],
        ),
        (
            minimal,
            {"optimiser": {"surfaces": {"polarizability": {}}}},
            [
                "optimiser.surfaces.polarizability is given",
                "a surface beside the potential that a fitted property needs (dipole)",
            ],
        ),
        (
            minimal,
            {"optimiser": {"name": "adam", "surfaces": {"dipole": {}}}},
            [
                "optimiser.surfaces.dipole is given where optimiser.name is 'adam'",
                "natural, since only its steps have a length for each surface",
            ],
        ),
        (
            water,
            {"optimiser": {"name": "adam", "surfaces": {"dipole": {}}}},
            ["optimiser.surfaces.dipole is given", "that a fitted property needs (none)"],
        ),
        (minimal, {"elements": [*WATER, WATER[1]]}, ["elements lists H 2 times", "each element once"]),
        (
            minimal,
            {"dataset": {"files": []}},
            ["dataset.files is empty", "at least one file", "labelling.geometries"],
        ),
        (
            minimal,
            {"dataset": {"files": ["a", {"path": ""}]}},
            ["dataset.files[1] is empty", "a path or a url"],
        ),
        (
            minimal,
            {"dataset": {"files": [DOWNLOAD]}},
            ["dataset.files[0].path is 'data/frames.extxyz'", "a path in resources/"],
        ),
        *(
            (
                minimal,
                {"dataset": {"files": [{"url": url, "sha256": 64 * "0"}]}},
                [f"dataset.files[0].url is '{url}'", "an address that ends in a file name"],
            )
            for url in ("https://example.org/", "https://example.org")
        ),
        *(
            (
                minimal,
                {section: RISING},
                [f"{section}.final_learning_rate is 0.002", f"at most {section}.learning_rate, 0.001"],
            )
            for section in ("training", "dipole_training")
        ),
        (
            minimal,
            {"surfaces": {"dipole": DIPOLE | {"training": RISING}}},
            [
                "surfaces.dipole.training.final_learning_rate is 0.002",
                "at most surfaces.dipole.training.learn",
            ],
        ),
        (
            minimal,
            {
                "teacher": {"training": RISING},
                "validation": {"properties": {"pressure": {"synthetic": True, "scale": 1000}}},
            },
            [
                "teacher.training.final_learning_rate is 0.002",
                "at most teacher.training.learning_rate, 0.001",
            ],
        ),
        (
            minimal,
            {"surfaces": {"dipole": {"surface": {"kind": "dipole"}}}, "dipole": {"file": "dipole.npz"}},
            ["dipole.file is given beside surfaces.dipole", "surfaces.dipole.surface.file: move it there"],
        ),
        (minimal, {"states": TWICE}, ["states lists the same temperature and density", "differ by a kelvin"]),
        (
            minimal,
            {"validation": {"states": TWICE}},
            ["validation.states lists the same temperature and density", "differ by a kelvin"],
        ),
        (
            minimal,
            {"validation": {"states": [{"temperature": 300, "density": 1.1}]}},
            ["validation.states and states have different states of 300 K", "differs by a kelvin"],
        ),
        (
            minimal,
            {"states": [TWICE[0], {"temperature": 300.2, "density": 1.1, "atoms": 48}]},
            ["states[1].atoms is 48", "none, since the data set's frames have their own"],
        ),
        *(
            (minimal, {section: {key: value}}, [f"{section}.{key} is {value} fs", f"a multiple of {unit}"])
            for section, key, value, unit in (
                ("trajectory", "sampling_interval", 0.2, "trajectory.timestep, 0.5 fs"),
                ("trajectory", "length", 201, "trajectory.sampling_interval, 2 fs"),
                ("validation", "length", 999, "trajectory.sampling_interval, 2 fs"),
                ("gradient", "depth", 50.2, "trajectory.timestep, 0.5 fs"),
            )
        ),
        (
            minimal,
            {"gradient": {"depth": "auto", "horizon": {"shortest": 202}}},
            ["gradient.horizon.shortest is 202 fs", "at most trajectory.length, 200 fs"],
        ),
        *(
            (
                minimal,
                {"trajectory": {"temperature_bounds": bounds}},
                [f"trajectory.temperature_bounds is {bounds}", "one number below 1 and one above"],
            )
            for bounds in ([1, 2], [0.5, 1], [1.2, 2], [2, 0.5])
        ),
        (
            minimal,
            {"ensemble": {"chunks": 1, "replicas": 1}},
            ["ensemble has one chunk of one replica", "two or more in all for error bars"],
        ),
        (
            minimal,
            {"ensemble": {"chunks": 1, "replicas": 2}, "gradient": {"replicas": 1}},
            [
                "gradient.replicas is 1 where ensemble.chunks is 1",
                "trajectories of two or more chains",
            ],
        ),
        (
            minimal,
            {"ensemble": {"chunks": 2, "replicas": 1}, "gradient": {"depth": "auto"}},
            [
                "ensemble.replicas is 1 where gradient.depth is 'auto'",
                "2 or more, since the pilot's error is",
            ],
        ),
        (
            minimal,
            {"ensemble": {"replicas": 4, "samples_per_replica": 3}, "gradient": {"replicas": 13}},
            ["gradient.replicas is 13", "at most the 12 trajectories of a chunk"],
        ),
        (
            minimal,
            {
                "ensemble": {"replicas": 4, "samples_per_replica": 3, "trajectories_per_replica": 2},
                "gradient": {"replicas": 9},
            },
            ["gradient.replicas is 9", "at most the 8 trajectories of a chunk"],
        ),
        (
            minimal,
            {"ensemble": {"samples_per_replica": 3, "trajectories_per_replica": 4}},
            ["ensemble.trajectories_per_replica is 4", "at most ensemble.samples_per_replica, 3"],
        ),
        (
            minimal,
            {"objective": {"observables": {"infrared": INFRARED, "diffusion": DIFFUSION}}},
            ["objective.observables.diffusion names the element 'Ar'", "one of O, H"],
        ),
        (minimal, {"objective": BAND}, ["bands[0].range is [900, 900] cm⁻¹", "the lower wavenumber first"]),
        (
            minimal,
            {"validation": {"properties": {"vaporisation_enthalpy": {}}}},
            [
                "vaporisation_enthalpy is given where elements lists O, H",
                "one element whose vapour is monatomic",
            ],
        ),
        (
            water,
            {
                "potential": {"file": "potential.npz"},
                "objective": {"observables": {"pressure": {"target": 1.0, "scale": 22000}}},
            },
            [
                "dataset is missing",
                "one to start the sampling from, since a lattice holds only one of 2 elements",
            ],
        ),
    ],
)
def test_settings_that_do_not_suit_each_other_get_one_sentence(campaign, sections, fragments):
    """It names the key and what was found there, then what was expected."""
    load_config(campaign())
    with pytest.raises(CampaignError) as caught:
        load_config(campaign(**sections))
    (sentence,) = str(caught.value).splitlines()
    assert re.fullmatch(r"(.*), expected (.*): .*\.", sentence)
    found, expected = sentence.split(", expected ", 1)
    assert fragments[0] in found
    assert all(fragment in expected for fragment in fragments[1:])


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("infrared", INFRARED),
        ("viscosity", {"target": 0.9, "window": 300}),
        ("conductivity", {"target": 8.5, "window": 300}),
        ("diffusion", {"element": "O", "target": 2.3, "window": 300, "viscosity": 0.9}),
        ("diffusion", {"element": "O", "target": 2.3, "window": 300, "viscosities": {"300K": 0.9}}),
        ("einstein_diffusion", {"element": "O", "target": 2.3, "window": 40, "viscosity": 0.9}),
    ],
)
def test_what_the_mean_volume_is_a_factor_of_is_not_fitted_at_constant_pressure(name, settings):
    held = {
        "states": [{"temperature": 300, "density": 0.997, "pressure": 1.0}],
        "ensemble": {"kind": "isobaric"},
    }
    density = {"density": {"target": 0.997}}
    assert problems(**held, objective={"observables": density | {name: settings}}) == [
        f"objective.observables.{name} is given where ensemble.kind is isobaric, expected canonical, since its "
        "gradient takes the mean volume as fixed: set ensemble.kind: canonical, fit the density, or move it to "
        "validation.properties."
    ]
    judging = {"validation": {"properties": {name: settings}}}
    load_config(minimal(**held, **judging, objective={"observables": density}))


def test_self_diffusion_that_is_not_corrected_is_fitted_at_constant_pressure():
    values = argon(ensemble={"kind": "isobaric"})
    values["states"][0]["pressure"] = 1.8
    load_config(values)


@pytest.mark.parametrize(
    ("campaign", "sections"),
    [
        (argon, {"potential": argon()["potential"] | {"cutoff": 9.5, "switching_width": 9.4}}),
        (argon, {"potential": argon()["potential"] | {"truncation": "shifted", "tail_correction": False}}),
        (argon, {"potential": argon()["potential"] | {"truncation": "truncated"}}),
        (minimal, {"dataset": {"files": []}, "labelling": {"geometries": "a.extxyz"}}),
        (minimal, {"dataset": {"level": "revPBE-D3"}, "labelling": {"geometries": "a.extxyz"}}),
        (minimal, {"dataset": None, "labelling": {"geometries": "a.extxyz"}}),
        (minimal, {"dataset": {"files": [DOWNLOAD | {"path": ""}]}}),
        (minimal, {"training": {"learning_rate": 1e-3, "final_learning_rate": 1e-3}}),
        (minimal, {"states": [TWICE[0], TWICE[0] | {"density": 1.1}]}),
        (minimal, {"gradient": {"depth": 200, "horizon": {"shortest": 200}}}),
        (minimal, {"trajectory": {"temperature_bounds": [0.99, 1.01]}}),
        (minimal, {"ensemble": {"chunks": 1, "replicas": 2}, "validation": {"chunks": 2, "replicas": 1}}),
        (minimal, {"ensemble": {"replicas": 4, "samples_per_replica": 3}, "gradient": {"replicas": 12}}),
        (minimal, {"ensemble": {"chunks": 2, "replicas": 1}, "gradient": {"replicas": 1}}),
        (minimal, {"ensemble": {"chunks": 1, "replicas": 2}, "gradient": {"replicas": 2, "depth": "auto"}}),
        (minimal, {"gradient": {"check": {"steps": 8}}}),
        (minimal, {"objective": {"observables": {"infrared": INFRARED | {"window": 400}}}}),
    ],
)
def test_settings_at_their_limits_are_accepted(campaign, sections):
    load_config(campaign(**sections))


@pytest.mark.parametrize(
    ("sections", "fragments"),
    [
        ({"campaign": {"name": "test", "seed": -1}}, ["campaign.seed is -1", "a number of at least 0"]),
        ({"campaign": {"name": "a b"}}, ["campaign.name is 'a b'", "text that matches ^[A-Za-z0-9]"]),
        ({"campaign": {"name": 7}}, ["campaign.name is 7", "text"]),
        ({"optimiser": {"momentum": 1.0}}, ["optimiser.momentum is 1.0", "a number below 1"]),
        ({"ensemble": {"reuse": 1.5}}, ["ensemble.reuse is 1.5", "a number of at most 1"]),
        ({"ensemble": {"chunks": "two"}}, ["ensemble.chunks is 'two'", "a whole number"]),
        ({"ensemble": {"chunks": 1.5}}, ["ensemble.chunks is 1.5", "a whole number"]),
        ({"ensemble": {"chunks": [1]}}, ["ensemble.chunks is [1]", "a whole number"]),
        ({"ensemble": {"timestep": "short"}}, ["ensemble.timestep is 'short'", "a number"]),
        ({"ensemble": {"timestep": [1]}}, ["ensemble.timestep is [1]", "a number"]),
        ({"ensemble": {"timestep": float("inf")}}, ["ensemble.timestep is inf", "a finite number"]),
        ({"precision": "half"}, ["precision is 'half'", "'float32' or 'float64'"]),
        ({"optimiser": {"shrink_noise": "maybe"}}, ["optimiser.shrink_noise is 'maybe'", "true or false ("]),
        ({"optimiser": {"shrink_noise": [1]}}, ["optimiser.shrink_noise is [1]", "true or false ("]),
        ({"gradient": {"depth": "ato"}}, ["gradient.depth is 'ato'", "a number or 'auto' (How far back"]),
        ({"gradient": {"depth": -1}}, ["gradient.depth is -1", "a number above 0 or 'auto' (How far back"]),
        (
            {"dataset": {"files": [{"path": "a", "sha256": "xyz"}]}},
            [
                "dataset.files[0].sha256 is 'xyz'",
                "text that matches ^[0-9a-fA-F]{64}$ or a section of keys (",
            ],
        ),
        (
            {"dataset": {"files": [{"path": "a", "sha256": {"a/b.npy": "xyz"}}]}},
            [
                "dataset.files[0].sha256.a/b.npy is 'xyz'",
                "text that matches ^[0-9a-fA-F]{64}$: correct it.",
            ],
        ),
        ({"states": 300}, ["states is 300", "a list"]),
        ({"states": []}, ["states is []", "at least 1 entries"]),
        (
            {"states": [{"temperature": 300, "density": 1, "supercell": [1, 1, 1, 1]}]},
            ["states[0].supercell is [1, 1, 1, 1]", "at most 3 entries"],
        ),
        (
            {"gradient": {"check": {"deepest": 8}}},
            ["gradient.check.deepest (value 8) is not a known key", "one of displacement, parameters"],
        ),
    ],
)
def test_a_value_of_the_wrong_kind_is_told_with_what_is_expected(sections, fragments):
    (sentence,) = problems(**sections)
    found, expected = sentence.split(", expected ", 1)
    assert (found, expected[: len(fragments[1])]) == tuple(fragments)


SAMPLERS = "canonical, isobaric or the dotted name of a module that Python finds"
TASKS = "dipole, local_dipole, polarizability, potential or the dotted name of a module that Python finds"
OUTSIDE = "the dotted name of a module that Python finds, no.such and no.such_settings"


@pytest.mark.parametrize(
    ("sections", "found", "expected"),
    [
        ({"ensemble": {"kind": "npt"}}, "ensemble.kind is 'npt'", SAMPLERS),
        ({"ensemble": {"kind": "reuse"}}, "ensemble.kind is 'reuse'", SAMPLERS),
        (
            {"ensemble": {"kind": "no.such"}},
            "ensemble.kind is 'no.such'",
            "the dotted name of a module that Python finds, no.such",
        ),
        (
            {"surfaces": {"dipole": DIPOLE | {"task": "local_dipol"}}},
            "surfaces.dipole.task is 'local_dipol'",
            TASKS,
        ),
        ({"surfaces": {"dipole": DIPOLE | {"task": "no.such"}}}, "surfaces.dipole.task is 'no.such'", TASKS),
        ({"surfaces": {"charges": DIPOLE}}, "surfaces.charges.task is 'charges'", TASKS),
        ({"potential": {"kind": "no.such"}}, "potential.kind is 'no.such'", OUTSIDE),
        (
            {"surfaces": {"dipole": {"surface": {"kind": "no.such"}}}},
            "surfaces.dipole.surface.kind is 'no.such'",
            OUTSIDE,
        ),
        (
            {"validation": {"properties": {"own": {"kind": "no.such"}}}},
            "validation.properties.own.kind is 'no.such'",
            OUTSIDE,
        ),
    ],
)
def test_names_of_modules_that_there_are_not_are_told(sections, found, expected):
    assert problems(**sections) == [
        f"{found}, expected {expected}: correct it, or install the package that holds it."
    ]


def test_options_are_for_samplers_outside_the_library():
    assert problems(ensemble={"options": {"moves": 6}}) == [
        "ensemble.options is {'moves': 6} where ensemble.kind is canonical, expected none, since only "
        "samplers outside the library have options: remove it, or correct the kind."
    ]
    load_config(minimal(ensemble={"kind": "os.path", "options": {"kind": "of.move"}}))


def test_checksums_in_capitals_are_those_in_small_letters():
    digest = 32 * "aB"
    for given, read in ((digest, digest.lower()), ({"type.raw": digest}, {"type.raw": digest.lower()})):
        config = load_config(minimal(dataset={"files": [{"path": "frames.extxyz", "sha256": given}]}))
        assert config.dataset.files[0].sha256 == read


@pytest.mark.parametrize("name", ["model_config", "copy", "_own"])
def test_properties_may_be_called_as_something_that_models_have(name, recwarn):
    properties = {name: {"kind": "vibrations", "window": 300}}
    (own,) = (
        load_config(minimal(validation={"properties": properties})).validation.properties.chosen().items()
    )
    assert (own[0], own[1].window, len(recwarn)) == (name, 300.0, 0)


@pytest.mark.parametrize(
    ("settings", "potential"),
    [
        ({}, "GTH-PBE"),
        ({"functional": "PBE"}, "GTH-PBE"),
        ({"functional": "BLYP"}, "GTH-BLYP"),
        ({"functional": "BLYP", "potential": "GTH-OLYP"}, "GTH-OLYP"),
    ],
)
def test_pseudopotentials_are_those_of_the_functional(settings, potential):
    assert load_config(minimal(labelling={"settings": settings})).labelling.settings.potential == potential


@pytest.mark.parametrize(
    ("dataset", "code", "said"),
    [
        ([], 0, "nothing is wrong with it\n"),
        (["absent.extxyz"], 1, "dataset.files[0] is 'absent.extxyz', expected an existing file: correct "),
    ],
)
def test_the_check_of_a_configuration_sees_its_files(tmp_path, dataset, code, said):
    values = minimal(dataset={"files": dataset}) if dataset else argon()
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(values))
    done = subprocess.run(
        [sys.executable, "-m", "dynrefine.config", "mine.yaml"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT / "workflow")},
        capture_output=True,
        text=True,
        check=False,
    )
    told = done.stderr if code else done.stdout.removeprefix("mine.yaml: ")
    assert done.returncode == code and told.startswith(said)


def test_all_problems_are_told_at_once():
    assert len(problems(precision="float16", optimiser={"name": "adamw"}, extra=1)) == 3


def test_yaml_errors_name_file_and_line(tmp_path):
    path = tmp_path / "campaign.yaml"
    path.write_text("campaign:\n  name: [a\n")
    with pytest.raises(CampaignError, match=r"campaign.yaml, line \d+ is not valid YAML"):
        load_config(path)


def test_a_configuration_that_is_absent_or_empty_is_told(tmp_path):
    path = tmp_path / "campaign.yaml"
    with pytest.raises(
        CampaignError, match=r"campaign\.yaml does not exist: give the path of a configuration"
    ):
        load_config(path)
    with pytest.raises(CampaignError, match=r" is a folder: give the path of a configuration"):
        load_config(tmp_path)
    path.write_text("just words\n")
    with pytest.raises(
        CampaignError, match=r"campaign\.yaml holds no sections: start from config/config\.yaml"
    ):
        load_config(path)


def test_generated_documents_are_written_to_a_folder(tmp_path):
    write_documents(tmp_path)
    written = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    assert written == documents()


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
    config = load_config(
        minimal(ensemble={"friction": 3, "replicas": 5, "reuse": 0.5}, validation={"length": 500})
    )
    validated = config.of_validation()
    assert validated.ensemble.friction == 3
    assert validated.ensemble.replicas == config.validation.replicas
    assert validated.ensemble.reuse == 1.0
    assert validated.trajectory == config.trajectory.model_copy(update={"length": 500})


def test_missing_files_and_small_cells_are_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    thin = [{"temperature": 300, "density": 0.2493}]  # of the molecule in its cell of 120 Å³
    config = load_config(minimal(states=thin, potential={"cutoff": 9.0}, dipole={"cutoff": 4.0}))
    with pytest.raises(CampaignError, match="dataset.files.0. is 'frames.extxyz', expected an existing file"):
        check_files(config)
    Path("target.csv").write_text(SPECTRUM)
    Path("frames.extxyz").write_text(MOLECULE)
    with pytest.raises(CampaignError, match="potential.cutoff is 9 Å, expected at most 8.00 Å"):
        check_files(config)
    small = minimal(states=thin, potential={"cutoff": 7.0}, dipole={"cutoff": 4.0})
    check_files(load_config(small))
    structure = {"rdf": {"pair": ["O", "O"], "longest": 6.1}}
    with pytest.raises(
        CampaignError, match="validation.properties.rdf.longest is 6.1 Å, expected at most 6.00 Å"
    ):
        check_files(load_config(small | {"validation": {"properties": structure}}))


@pytest.mark.parametrize(
    ("sections", "key"),
    [
        (
            {"objective": {"observables": {"infrared": {"target": "absent"}}}},
            "objective.observables.infrared.target",
        ),
        ({"labelling": {"geometries": "absent"}}, "labelling.geometries"),
        (
            {"validation": {"properties": {"OO": {"kind": "rdf", "pair": ["O", "O"], "target": "absent"}}}},
            "validation.properties.OO.target",
        ),
        ({"dataset": {"files": ["frames.extxyz", "absent"]}}, "dataset.files[1]"),
    ],
)
def test_every_file_that_is_to_be_read_must_be_there(tmp_path, monkeypatch, sections, key):
    monkeypatch.chdir(tmp_path)
    Path("target.csv").write_text(SPECTRUM)
    without_cell = "2\nProperties=species:S:1:pos:R:3\nAr 0 0 0\nAr 0 0 4\n"
    Path("frames.extxyz").write_text(without_cell)
    check_files(load_config(minimal()))
    with pytest.raises(CampaignError) as caught:
        check_files(load_config(minimal(**sections)))
    assert str(caught.value) == (
        f"{key} is 'absent', expected an existing file: correct the path or put the file there."
    )


def test_results_that_cannot_be_written_are_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = load_config(argon())
    check_files(config)
    Path("results").mkdir()
    asked = []
    monkeypatch.setattr("os.access", lambda path, mode: asked.append((path, mode)))
    with pytest.raises(CampaignError, match="results cannot be written to, expected write permission"):
        check_files(config)
    assert asked == [(Path("results"), os.W_OK)]
    Path("results/test").touch()
    with pytest.raises(CampaignError, match="results/test is a file, expected a folder for the results"):
        check_files(config)


def test_cutoffs_suit_the_cell_of_each_state(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # Four argon atoms at 1.374 g/cm³, 0.8274 u/Å³, are in a cube of 193.1 Å³ with edges of 5.780 Å.
    state = {"temperature": 94.4, "density": 1.374, "atoms": 4}
    check_files(load_config(argon(states=[state], potential=argon()["potential"] | {"cutoff": 11.5})))
    with pytest.raises(CampaignError) as caught:
        check_files(load_config(argon(states=[state], potential=argon()["potential"] | {"cutoff": 11.6})))
    assert str(caught.value) == (
        "potential.cutoff is 11.6 Å, expected at most 11.56 Å, 2 widths of that state's cell: lower it or enlarge "
        "states[0].atoms."
    )
    Path("target.csv").touch()
    Path("frames.extxyz").write_text(
        '1\nLattice="4 0 0 0 5 0 0 3 6" Properties=species:S:1:pos:R:3\nO 0 0 0\n'
    )
    # An oxygen atom at 0.2214 g/cm³ has 120 Å³.
    # Faces of the repeated cell are 8 Å, 5 · 12 / sqrt(12² + 6²) = 4.47 Å and 12 Å apart.
    repeated = [{"temperature": 300, "density": 0.2214, "supercell": [2, 1, 2]}]
    with pytest.raises(CampaignError) as caught:
        check_files(load_config(minimal(states=repeated, potential={"cutoff": 9.0}, dipole={"cutoff": 9.0})))
    assert str(caught.value).splitlines() == [
        f"{surface}.cutoff is 9 Å, expected at most 8.94 Å, 2 widths of that state's cell: lower it or enlarge "
        "states[0].supercell."
        for surface in ("potential", "dipole")
    ]


@pytest.mark.parametrize("name", PROPERTIES)
def test_properties_ask_for_the_quantities_and_surfaces_the_library_needs(name):
    settings, observable = PROPERTIES[name], plug_in("properties", name).PROPERTY
    assert (settings.along, settings.at_start) == (observable.along, observable.at_start)
    quantities = [quantity(each) for each in (*settings.along, *settings.at_start)]
    assert set(settings.surfaces) == {surface for each in quantities for surface in each.surfaces}


@pytest.mark.parametrize(
    "names", [("water", "gpu/water", "raman/water"), ("teacher-water-diffusion", "raman/teacher-water")]
)
def test_files_on_top_of_each_other_are_merged_as_snakemake_does(names):
    paths = [ROOT / f"config/{name}.yaml" for name in names]
    expected = {}
    for path in paths:
        update_config(expected, read_yaml(path))
    assert read_together(paths) == expected
    together = load_config(read_together(paths))
    assert set(together.surfaces) == {"dipole", "polarizability"}
    assert (together.ensemble.masses["H"], "raman" in together.all_properties()) == (3.0, True)


@pytest.mark.parametrize("names", [("water", "quantum/water"), ("config",)])
def test_campaigns_of_water_refine_their_dipole_surfaces(names):
    together = load_config(read_together([ROOT / f"config/{name}.yaml" for name in names]))
    assert list(together.refined_surfaces()) == ["dipole"]
    assert list(together.joined().potential.surfaces) == ["potential", "dipole"]


def test_the_thorough_campaign_is_the_default_one_with_more():
    files = [ROOT / "config/config.yaml", ROOT / "config/thorough/water16.yaml"]
    default, thorough = (load_config(read_together(files[:count])) for count in (1, 2))
    assert thorough.potential == default.potential and thorough.training == default.training
    assert thorough.ensemble.replicas == 4 * default.ensemble.replicas
    (judged,) = thorough.judged_states().values()
    assert (judged.supercell, thorough.gradient.locality) == ([2, 2, 2], 6.0)
    # The refinement does not see this state: what was measured there is given for it.
    assert all("298K" in each.own_targets for each in thorough.validation.properties.chosen().values())


def test_water_is_judged_at_temperatures_with_measurements_of_their_own():
    files = [ROOT / "config/water.yaml", ROOT / "config/temperatures/water.yaml"]
    alone, warmer = (load_config(read_together(files[:count])) for count in (1, 2))
    assert warmer.states == alone.states
    assert [list(each.judged_states()) for each in (alone, warmer)] == [
        ["298K"],
        ["298K", "280K", "320K", "340K"],
    ]
    properties = warmer.validation.properties.chosen()
    for name in ("diffusion", "einstein_diffusion", "rdf"):
        assert set(properties[name].own_targets) == {"280K", "320K", "340K"}


def test_a_configuration_on_top_leaves_a_surface_as_it_is(tmp_path):
    (tmp_path / "alone.yaml").write_text("optimiser: { surfaces: { dipole: null } }\n")
    together = load_config(read_together([ROOT / "config/config.yaml", tmp_path / "alone.yaml"]))
    assert together.optimiser.surfaces == {}
    assert list(together.refined_surfaces()) == []


def test_settings_are_built_without_reading_the_names_of_whoever_uses_them():
    class Own(Section):
        value: "Number"

    Number = float
    with pytest.raises(PydanticUserError, match="not fully defined"):
        Own(value=Number(1))
