"""What the rules that judge and report leave, read from the finished toy campaign."""

import re

import numpy as np
import pandas as pd
import pytest
import validation_by_hand
from campaigns import ROOT, TOY

from dynrefine.dynamics.force_field import force_field
from dynrefine.files.arrays import read_arrays
from dynrefine.files.ensembles import load_ensemble
from dynrefine.files.models import load_model
from dynrefine.files.tables import read_measured
from dynrefine.files.trajectories import load_trajectories
from dynrefine.geometry.system import system_of
from dynrefine.report.formatting import value_with_error

STAGES = ("initial", "refined")
POTENTIALS = {
    "initial": "pretraining/potential.npz",
    "refined": "refinement/001/updated_potential.npz",
}
SETTINGS = TOY.model_dump()


@pytest.fixture(scope="module")
def check(finished_toy):
    return pd.read_csv(finished_toy.results / "check_gradient/gradient_check.csv")


@pytest.mark.parametrize(("precision", "bound"), [("float64", 1e-5), ("float32", 1e-3)])
def test_the_adjoint_agrees_with_backpropagation(check, precision, bound):
    row = check[(check.comparison == "backpropagation") & (check.precision == precision)].iloc[0]
    assert row.relative_error < bound
    assert row.cosine == pytest.approx(1.0, abs=bound)
    assert row.adjoint == pytest.approx(row.reference, rel=bound)
    assert row.reference > 0.0


def test_the_adjoint_agrees_with_central_differences(check):
    rows = check[check.comparison == "central difference"]
    assert len(rows) == 3  # two parameters and a direction
    assert (rows.relative_error < 1e-3).all()
    np.testing.assert_allclose(rows.adjoint, rows.reference, rtol=1e-3)


@pytest.mark.parametrize(("precision", "bound"), [("float64", 1e-12), ("float32", 1e-4)])
def test_reversed_trajectories_of_the_check_come_home(check, precision, bound):
    row = check[(check.comparison == "reversal") & (check.precision == precision)].iloc[0]
    assert 0.0 <= row.relative_error < bound


@pytest.mark.parametrize("stage", STAGES)
def test_the_validation_judges_fitted_and_other_properties(finished_toy, stage):
    table = pd.read_csv(finished_toy.results / f"validation/{stage}/properties.csv").set_index("property")
    assert set(table.state) == {"300K"}
    assert table.fitted[table.fitted].index.tolist() == ["infrared loss"]
    assert set(table.index[~table.fitted]) == {
        "temperature",
        "energy drift",
        "broken molecules",
        "diffusion loss",
        "diffusion",
        "diffusion: in the finite cell",
        "einstein_diffusion",
        "conductivity",
        "conductivity: upper limit",
        "conductivity: beyond the limit",
        "conductivity: Helfand",
        "rdf loss",
        "rdf: first maximum",
        "pressure loss",
        "pressure",
    }
    assert (table.standard_error >= 0.0).all()
    # The two chains of the toy may count equally many pairs in a bin, no molecule of them breaks, and a limit is set.
    certain = ["rdf: first maximum", "broken molecules", "conductivity: upper limit"]
    assert (table.standard_error.drop(certain) > 0.0).all()
    assert table.value["broken molecules"] == 0.0
    assert np.isfinite(table.value).all()
    assert table.value["temperature"] == pytest.approx(300.0, rel=0.3)
    assert table.measured["diffusion"] == 2.299
    correction = table.value["diffusion"] - table.value["diffusion: in the finite cell"]
    # Yeh, Hummer; m²/s
    hydrodynamic = 2.837297 * 1.380649e-23 * 300.0 / (6.0 * np.pi * 0.89e-3 * 7.83018e-10)
    assert correction == pytest.approx(1e9 * hydrodynamic, rel=1e-3)


@pytest.mark.parametrize("stage", STAGES)
def test_the_curves_of_the_validation_belong_to_its_table(finished_toy, stage):
    folder = finished_toy.results / "validation" / stage
    table = pd.read_csv(folder / "properties.csv").set_index("property")
    curves = read_arrays(folder / "curves.npz", "curves")
    assert curves.arrays["diffusion: running integral/300K/prediction"][-1] == pytest.approx(
        table.value["diffusion: in the finite cell"], rel=1e-5
    )
    assert curves.arrays["rdf/300K/prediction"].max() <= table.value["rdf: first maximum"] * (1.0 + 1e-5)
    assert curves.arrays["rdf/300K/prediction"][:20].max() == 0.0  # no two oxygen atoms within 2 Å
    assert curves.units["infrared/300K/prediction"] == "cm⁻¹"
    lengths = {len(curves.arrays[f"infrared/300K/{part}"]) for part in ("abscissa", "target", "prediction")}
    assert lengths == {20}


def test_both_stages_are_judged_by_different_potentials_on_the_same_frames(finished_toy):
    initial, refined = (
        pd.read_csv(finished_toy.results / f"validation/{stage}/errors.csv").set_index("quantity")
        for stage in STAGES
    )
    pretraining = pd.read_csv(finished_toy.results / "pretraining/potential_errors.csv")
    test = pretraining[pretraining.part == "test"].set_index("quantity").value
    assert initial.value["force"] == pytest.approx(test["force"], rel=1e-5)
    assert refined.value["force"] != initial.value["force"]
    assert refined.value["force"] == pytest.approx(initial.value["force"], rel=0.5)


@pytest.fixture(scope="module", params=STAGES)
def stage(request, finished_toy):
    """The folder of a stage of the validation."""
    return finished_toy.results / "validation" / request.param


def test_each_stage_samples_its_own_potential(finished_toy, stage):
    ensemble = load_ensemble(stage / "300K/ensemble_00.npz")
    potential = load_model(finished_toy.results / POTENTIALS[stage.name], TOY.potential, TOY.elements).cast(
        np.float64
    )
    field = force_field([potential.architecture], ensemble.cells, len(ensemble.species), TOY.ensemble)
    system = system_of(ensemble.species, TOY.elements, np.float64)
    points = ensemble.starts(np.float64)
    for x, cell, written in zip(
        points.positions, points.cell, ensemble.energies_by_potential[0], strict=True
    ):
        lists = field.neighbours(x, cell)
        energy = potential.architecture.energy(potential.parameters, system.species, x, cell, lists)
        # Sums of some 10² eV in single precision; the energies at the two potentials are 0.1 eV apart.
        assert written == pytest.approx(float(energy), abs=1e-4)


def test_properties_and_errors_are_those_of_the_runs(stage):
    """In single precision: sums of some thousand numbers to 1e-4, and errors to the rounding of the values."""
    ensemble, trajectories = (
        load_ensemble(stage / "300K/ensemble_00.npz"),
        load_trajectories(stage / "300K/trajectories_00.npz"),
    )
    table = pd.read_csv(stage / "properties.csv").set_index("property")
    judged, interval = SETTINGS["validation"]["properties"], SETTINGS["trajectory"]["sampling_interval"]
    oxygen = ensemble.species == 0
    found = validation_by_hand.properties(
        [ensemble], [trajectories], oxygen, interval, judged["diffusion"]["window"]
    )
    found["diffusion: in the finite cell"] = found.pop("diffusion")
    charges = np.array([element["charge"] for element in SETTINGS["elements"]])[ensemble.species]
    found["conductivity"] = validation_by_hand.conductivity(
        [ensemble], [trajectories], charges, interval, judged["conductivity"]["limit"], 300.0
    )
    for name, (value, error) in found.items():
        row = table.loc[name]
        rounding = 4.0 * float(np.spacing(np.float32(abs(value))))  # two values, with and without a part
        assert row.value == pytest.approx(value, rel=1e-4), name
        assert row.standard_error == pytest.approx(error, rel=1e-4, abs=rounding), name


def test_the_structure_is_that_of_the_chains(stage):
    """A distance at the edge of a bin may fall on either side of it in single precision."""
    ensemble, settings = (
        load_ensemble(stage / "300K/ensemble_00.npz"),
        SETTINGS["validation"]["properties"]["rdf"],
    )
    curves = read_arrays(stage / "curves.npz", "curves").arrays
    chains = validation_by_hand.radial_distribution([ensemble], (0, 0), settings)
    distance = settings["bin"] * (np.arange(len(chains[0])) + 0.5)
    np.testing.assert_allclose(curves["rdf/300K/abscissa"], distance, rtol=1e-6)
    spread = chains.std(axis=0, ddof=1) / np.sqrt(len(chains))
    found = np.stack([curves[f"rdf/300K/{name}"] for name in ("prediction", "prediction_error")])
    differing = np.any(~np.isclose(found, [chains.mean(axis=0), spread], rtol=1e-4), axis=0)
    assert differing.sum() <= 4  # two pairs at most, each in one of two bins
    table = pd.read_csv(stage / "properties.csv").set_index("property")
    highest = validation_by_hand.first_maximum([ensemble], (0, 0), settings)
    assert table.value["rdf: first maximum"] == pytest.approx(highest, rel=1e-4)
    # the mean of what was measured over each bin, of which some begin before it
    target = read_measured(ROOT / settings["target"])
    edges = settings["bin"] * np.arange(len(distance) + 1)
    fine = np.linspace(edges[:-1], edges[1:], 1001, axis=1)
    expected = np.trapezoid(np.interp(fine, *target.T[:2]) * fine**2, fine) / np.trapezoid(fine**2, fine)
    inside = (edges[:-1] >= target[0, 0]) & (edges[1:] <= target[-1, 0])
    assert inside.sum() > 30
    np.testing.assert_allclose(curves["rdf/300K/target"][inside], expected[inside], rtol=2e-4)


def test_the_report_tells_the_verdict_on_one_page(finished_toy):
    page = (finished_toy.results / "report.html").read_text(encoding="utf-8")
    text = re.sub(
        r"\s+", " ", re.sub(r"<[^>]+>", " ", re.sub(r"<(svg|style)\b.*?</\1>", " ", page, flags=re.DOTALL))
    )
    assert "The infrared loss on the independent validation run" in text
    initial, refined = (
        pd.read_csv(finished_toy.results / f"validation/{stage}/properties.csv").set_index("property")
        for stage in STAGES
    )
    for name in ("temperature", "diffusion"):
        before, after = (
            value_with_error(table.value[name], table.standard_error[name]) for table in (initial, refined)
        )
        assert f"{before} {after}" in text
    assert "the force error on the test frames" in text
    assert "<script" not in page
    references = re.findall(r"""(?:\b(?:src|href)\s*=\s*["']|url\(["']?)([^"')]*)""", page)
    outside = {text for text in references if not text.startswith(("#", "data:"))}
    assert outside == {"https://doi.org/10.1038/s41467-025-56061-z"}


@pytest.mark.slow
def test_potentials_are_drawn_around_the_refined_one_and_what_is_left_open_is_told(toy):
    """Their forces differ by the error on the test frames; each judged number has what the frames leave open."""
    asked_for = toy.configure("drawn.yaml", validation={"covariance": True, "drawn_potentials": 4})
    ran = toy.run(configuration=asked_for)
    assert {name: count for name, count in ran.items() if name not in ("all", "total")} == dict.fromkeys(
        ("draw_potentials", "measure_sensitivities", "compare_drawn_potentials", "write_report"), 1
    )
    folder = toy.results / "validation/refined"
    changes = read_arrays(folder / "drawn_potentials.npz", "drawn potentials").arrays["changes"]
    probes = read_arrays(toy.results / "pretraining/force_metric.npz", "force metric").arrays["probes"]
    errors = pd.read_csv(folder / "errors.csv").set_index("quantity").value
    squares = np.mean((probes.astype(float) @ changes.T) ** 2)
    assert 1e3 * np.sqrt(squares) == pytest.approx(errors["force"], rel=1e-6)  # meV/Å

    table = pd.read_csv(folder / "left_open.csv")
    judged = pd.read_csv(folder / "properties.csv").set_index("property")
    assert set(table.property[table.fitted]) == {"infrared"}
    assert set(table.property) >= {"pressure", "diffusion", "rdf", "vibrations"}
    own = table.set_index("property").loc["pressure"]
    assert 0.0 < own.left < np.inf and own.beforehand > 0.0
    assert own.value == pytest.approx(judged.value["pressure"], rel=0.5)
    assert "what the frames leave open" in (toy.results / "report.html").read_text(encoding="utf-8")
