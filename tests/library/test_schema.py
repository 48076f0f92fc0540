"""The schema that editors read, config/schema.json, against what the models take."""

from pathlib import Path

import jsonschema
import pytest

from dynrefine.config.keys import schema
from dynrefine.config.load import read_yaml

ROOT = Path(__file__).parents[2]
WHOLE = [path for path in sorted(ROOT.glob("config/*.yaml")) if "$schema=" in path.read_text("utf-8")]


def told_wrong(values):
    """Paths of all that the schema calls wrong."""
    validator = jsonschema.Draft202012Validator(schema())
    return [error.json_path for error in validator.iter_errors(values)]


def campaign(**sections):
    return read_yaml(ROOT / "config/config.yaml") | sections


@pytest.mark.parametrize("path", WHOLE, ids=lambda path: path.stem)
def test_configurations_that_name_it_are_right_by_it(path):
    assert told_wrong(read_yaml(path)) == []


@pytest.mark.parametrize(
    "observables",
    [
        {"faster": {"kind": "diffusion", "element": "O", "target": 2.3}},
        {"own.property": {"anything": 1}},
        {"infrared": None},
    ],
)
def test_properties_may_have_names_of_their_own(observables):
    assert told_wrong(campaign(objective={"observables": observables})) == []


@pytest.mark.parametrize(
    ("observables", "place"),
    [
        ({"faster": {"element": "O", "target": 2.3}}, "faster"),
        ({"faster": {"kind": "diffusion", "elment": "O", "target": 2.3}}, "faster"),
        ({"diffusion": {"elment": "O", "target": 2.3}}, "diffusion"),
    ],
    ids=["no kind", "wrong key under a name of its own", "wrong key"],
)
def test_what_the_models_refuse_is_wrong_by_it(observables, place):
    places = told_wrong(campaign(objective={"observables": observables}))
    assert places and set(places) == {f"$.objective.observables.{place}"}


def test_a_surface_may_be_left_as_it_is():
    assert told_wrong(campaign(optimiser={"surfaces": {"dipole": None}})) == []
