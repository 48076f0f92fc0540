import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml
from finished_campaign import ROLES, ROOT, FinishedCampaign
from jinja2 import Template

from dynrefine.config import load_config
from dynrefine.config.dynamics import State, state_labels
from dynrefine.config.model import Config
from dynrefine.config.optimiser import RefinedSurfaceSettings
from dynrefine.files.history import Entry, History
from dynrefine.report import blocks
from dynrefine.report.chapters import _training, levels_of_theory
from dynrefine.report.comparison import Change, changes, judge
from dynrefine.report.curves import _passed_through, spectra_chapter
from dynrefine.report.figures import dataset_figure, save_figure, to_svg, training_figure
from dynrefine.report.formatting import duration, measured_beside, number, percent, value_with_error
from dynrefine.report.page import render_page, write_page
from dynrefine.report.quantum import quantum_chapter
from dynrefine.report.results import read_timings
from dynrefine.report.tables import properties_table

NOT_A_NUMBER = float("nan")


@pytest.fixture(scope="module")
def improved(tmp_path_factory):
    """The results of a campaign that improved and then passed through two iterations."""
    return FinishedCampaign(tmp_path_factory.mktemp("improved"), passed_through=2).read()


@pytest.fixture(scope="module")
def page(improved, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_page(path, improved)
    return path.read_text(encoding="utf-8")


def text_of(page):
    """What is read on a page, without figures, styles and markup."""
    text = re.sub(r"<(svg|style)\b.*?</\1>", " ", page, flags=re.DOTALL)
    return re.sub(r"[ \n]+", " ", re.sub(r"<[^>]+>", " ", text))


def headings(page):
    return re.findall(r"<h2>(.*?)</h2>", page)


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (2.3123, 0.1234, "2.31(12)"),
        (0.5163, 0.0234, "0.52(2)"),
        (0.5163, 0.0963, "0.52(10)"),
        (-153.2, 14.1, "−153(14)"),
        (1234.5, 56.0, "1230(60)"),
        (3.12e-5, 4.9e-7, "3.12(5)\u00a0×\u00a010⁻⁵"),
        (1.0004e7, 2.1e4, "1.000(2)\u00a0×\u00a010⁷"),
        (0.0, 0.2, "0.0(2)"),
        (2.0, NOT_A_NUMBER, "2.00"),
        (300.0, 0.0, "300"),
        (NOT_A_NUMBER, 0.1, "–"),
    ],
)
def test_errors_are_written_in_the_last_digits(value, error, text):
    assert value_with_error(value, error) == text


@pytest.mark.parametrize(
    ("measured", "error", "simulated_error", "text"),
    [
        (1644.3254, NOT_A_NUMBER, 1.507, "1644.3"),
        (2.299, 0.0, 0.0041, "2.299"),
        (3.1234e-5, 0.0, 1.2e-8, "3.1234\u00a0×\u00a010⁻⁵"),
        (-1234567.0, 0.0, 220.0, "−1.2346\u00a0×\u00a010⁶"),
        (1.0, 0.0, 119.0, "1.00"),
        (17153.3, NOT_A_NUMBER, 709.3, "17200"),
        (0.0, 0.0, 0.02, "0"),
        (2.299, 0.005, 0.1, "2.299(5)"),
        (2.299, 0.0, NOT_A_NUMBER, "2.30"),
        (NOT_A_NUMBER, NOT_A_NUMBER, 0.1, "–"),
    ],
)
def test_what_was_measured_is_written_to_the_digits_of_what_was_simulated(
    measured, error, simulated_error, text
):
    assert measured_beside(measured, error, simulated_error) == text
    refined = loss(measured, measured, simulated_error, unit="", measured=(measured, error))
    assert properties_table([refined]).rows[0][5] == text


def test_numbers_are_written_for_people():
    assert number(0.07968) == "0.0797"
    assert number(1.234e-6, 2) == "1.2\u00a0×\u00a010⁻⁶"
    assert number(99996.0) == "1.00\u00a0×\u00a010⁵"
    assert percent(41.2, 42.48) == "+3.1\u00a0%"
    assert percent(0.0, 1.0) == "–"
    assert [duration(seconds) for seconds in (3.21, 300.0, 9000.0)] == ["3.2 s", "5.0 min", "2.5 h"]


def test_states_are_named_with_their_density_where_that_tells_them_apart():
    states = [State(temperature=298.15, density=density) for density in (0.95, 1.0)]
    hot = State(temperature=350.0, density=0.95)
    labels = state_labels([*states, hot])
    names = [state.name(label) for state, label in zip([*states, hot], labels, strict=True)]
    assert names == ["298 K, 0.95 g/cm³", "298 K, 1 g/cm³", "350 K"]


def loss(before, after, error=0.02, **changed):
    values = {"name": "infrared loss", "state": "300K", "unit": "1", "fitted": True}
    values |= {"before": (before, error), "after": (after, error), "measured": (NOT_A_NUMBER, NOT_A_NUMBER)}
    values |= changed
    values["state_name"] = values["state"].replace("K", " K")
    family, role = ROLES.get(values["name"], (values["name"].removesuffix(" loss"), "loss"))
    return Change(**{"family": family, "role": role, **values})


@pytest.mark.parametrize(
    ("after", "error", "force_error", "outcome", "headline"),
    [
        (
            0.31,
            0.02,
            42.48,
            "improved",
            "The infrared loss on the independent validation run fell from 0.52(2) to 0.31(2), by 7.4 standard "
            "errors; the force error on the test frames grew by 3.1\u00a0%.",
        ),
        (
            0.53,
            0.02,
            41.2,
            "not improved",
            "The infrared loss on the independent validation run did not change significantly: from 0.52(2) to "
            "0.53(2), 0.4 standard errors; the force error on the test frames did not change.",
        ),
        (
            0.61,
            0.02,
            40.376,
            "worse",
            "The infrared loss on the independent validation run rose from 0.52(2) to 0.61(2), by 3.2 standard "
            "errors; the force error on the test frames fell by 2.0\u00a0%.",
        ),
        (
            0.31,
            NOT_A_NUMBER,
            NOT_A_NUMBER,
            "unclear",
            "The infrared loss on the independent validation run went from 0.520 to 0.310, with no error bar to "
            "judge it by; the force error on the test frames is not known.",
        ),
    ],
)
def test_the_verdict_says_what_the_numbers_say(after, error, force_error, outcome, headline):
    verdict = judge([loss(0.52, after, error)], (41.2, force_error))
    assert (verdict.outcome, verdict.headline) == (outcome, headline)


def test_a_run_at_another_temperature_than_wanted_is_a_caution():
    cooled = loss(301.0, 262.0, 4.0, name="temperature", unit="K", fitted=False, measured=(300.0, 0.0))
    assert judge([loss(0.52, 0.31), cooled], (41.2, 41.2)).further == (
        "Caution: the temperature of the validation with the refined potential was 262(4) instead of 300 K, "
        "10 standard errors away; longer equilibration may be needed.",
    )


def test_broken_molecules_are_a_caution():
    broken = loss(0.0, 6.0, 3.0, name="broken molecules", role="control", unit="%", fitted=False)
    assert judge([loss(0.52, 0.31), broken], (41.2, 41.2)).further == (
        "Caution: with the refined potential, molecules were broken in 6(3) % of the starting points of the "
        "validation; unless they also break in the real liquid, the potential needs more training frames.",
    )


def test_several_fitted_properties_are_counted_and_told_one_by_one():
    verdict = judge([loss(0.52, 0.31), loss(0.52, 0.62, state="350K")], (41.2, 42.48))
    assert verdict.outcome == "improved in part"
    assert verdict.headline.startswith(
        "Of 2 fitted properties, 1 came significantly closer to the measurement, 1 moved significantly away"
    )
    assert [" at 300 K " in text for text in verdict.further] == [True, False]
    assert [" at 350 K " in text for text in verdict.further] == [False, True]


def test_what_was_not_fitted_is_judged_by_its_distance_from_the_measurement():
    measured = {"fitted": False, "unit": "1e-9 m²/s", "measured": (2.30, 0.01)}
    closer = loss(2.00, 2.40, name="diffusion", **measured)
    overshot = loss(2.20, 2.60, name="diffusion: in the finite cell", **measured)
    thermostat = loss(295.0, 301.0, 9.0, name="temperature", fitted=False, measured=(300.0, 0.0))
    assert [change.outcome for change in (overshot, closer)] == ["further", "closer"]
    verdict = judge([loss(0.52, 0.31), closer, overshot, thermostat], (41.2, 41.2))
    assert verdict.further == (
        "Of 1 measured property that the refinement did not fit, 1 came significantly closer to the measurement.",
    )


def test_a_property_without_a_measurement_is_told_with_its_error_bars():
    einstein = loss(0.94, 1.85, name="einstein_diffusion", fitted=False, unit="1e-9 m²/s")
    einstein = replace(einstein, before=(0.94, 0.09), after=(1.85, 0.14))
    assert einstein.sentence() == (
        "the einstein_diffusion rose from 0.94(9) to 1.85(14) 10⁻⁹ m²/s, by 5.5 standard errors"
    )


def test_a_measured_value_is_judged_though_there_is_another_estimate_of_it():
    plain = loss(2.00, 2.20, 0.01, name="diffusion", fitted=False, measured=(2.30, 0.01))
    einstein = loss(1.94, 2.25, name="diffusion: in the finite cell", fitted=False)
    assert judge([loss(0.52, 0.31), plain, einstein], (41.2, 41.2)).further == (
        "Of 1 measured property that the refinement did not fit, 1 came significantly closer to the measurement.",
    )


def test_a_property_that_its_loss_determines_does_not_count_as_not_fitted():
    diffusion = loss(2.00, 2.20, name="diffusion", fitted=False, measured=(2.30, 0.01))
    assert judge([loss(0.52, 0.31, name="diffusion loss"), diffusion], (41.2, 41.2)).further == ()


def test_a_spectrum_that_is_fitted_does_not_count_as_not_fitted_where_another_window_judges_it():
    properties = load_config(ROOT / "config/water.yaml").all_properties()
    fitted, judging = (
        loss(0.52, 0.31, name=f"{name} loss", family=properties[name].family or name, fitted=fits)
        for name, fits in (("infrared", True), ("infrared_2ps", False))
    )
    assert judge([fitted, judging], (41.2, 41.2)).further == ()


def test_the_page_holds_verdict_and_numbers(page):
    text = text_of(page)
    assert "The infrared loss on the independent validation run fell from 0.52(2) to 0.35(2)" in text
    assert "the force error on the test frames grew by 3.4\u00a0%." in text
    assert "diffusion 300 K 10⁻⁹ m²/s 1.98(6) 2.20(6) 2.299(5) +2.6 closer" in text
    assert "force O meV/Å 52.3 54.1 +3.4\u00a0%" in text
    assert "its largest relative difference from central differences is 2.3\u00a0×\u00a010⁻⁶" in text
    assert "adjoint_gradient 10 gpu (H200) 14.0 min 84.0 s 29.0 s 13.5 s 13.7 min 622 200" in text
    assert "127 frames were read, with 2 left out: a force above 20 eV/Å (2)." in text
    assert "Measured: N. Obody &amp; sons &lt;nobody&gt;, doi:10.1000/1" in text
    assert re.search(r"Configuration [0-9a-f]{12} , seed 1\.", text)
    assert "iteration objective infrared anchor 0 0.53(4) 0.52(4) 0.0120 1" in text
    assert "gradient, whole gradient, trajectory gradient, ensemble gradient, anchor" in text
    assert "energy drift (meV/atom) time per step (ms) 0 2.0(3) 1.9(2) 0.5(2)" in text
    assert "nan" not in text.lower().split()


def test_iterations_that_passed_through_are_left_out_and_named(improved, page):
    assert sorted(improved.objectives) == [0, 1, 2, 3, 4]
    sentence = "Iterations 5 to 6 were skipped because the refinement had converged, and are left out."
    assert sentence in text_of(page)


def test_the_page_is_self_contained(page):
    assert len(page) < 3e6
    assert "<script" not in page
    assert "@import" not in page
    references = re.findall(r"""(?:\b(?:src|href)\s*=\s*["']|url\(["']?)([^"')]*)""", page)
    outside = [text for text in references if not text.startswith(("#", "data:image/png;base64,"))]
    assert outside == ["https://doi.org/10.1038/s41467-025-56061-z"]
    targets = set(re.findall(r'\bid="([^"]*)"', page))
    assert {text[1:] for text in references if text.startswith("#")} <= targets


def test_every_figure_shows_something_and_follows_the_theme(page):
    figures = re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL)
    assert len(figures) == 11
    for figure in figures:
        root = ElementTree.fromstring(figure)
        assert root.get("aria-label")
        assert sum(element.tag.endswith(("path", "use", "image")) for element in root.iter()) > 20
        assert "currentColor" in figure
        assert "#1f2328" not in figure


def test_the_depth_of_the_gradient_is_told_where_a_pilot_chose_it(page):
    assert "The depth of the gradient" in headings(page)
    text = text_of(page)
    assert "The adjoint goes 80 fs deep, where signal to noise is 1.50 (threshold: 1)" in text
    assert "grows by 16.7 per ps" in text


def test_the_gradient_stands_beside_independent_ensembles_where_they_were_asked_for(improved, page):
    text = text_of(page)
    assert "independent ensembles within 0.77 standard errors." in text
    assert "infrared sigma 1/Å −1.3(3) −1.14(11) −0.5" in text
    without = text_of(render_page(replace(improved, total_derivative=pd.DataFrame())))
    assert "independent ensembles" not in without


def test_a_campaign_that_got_worse_says_so(tmp_path):
    results = FinishedCampaign(tmp_path, states=("280K", "300K"), quality=(0.4, 0.2, 0.0)).read()
    text, sections = text_of(page := render_page(results)), headings(page)
    assert "iteration objective infrared, 280 K infrared, 300 K anchor" in text
    assert "0 0.82(6) 0.40(4) 0.40(4) 0.0132" in text
    assert "Worse Of 2 fitted properties, 2 moved significantly away from the measurement" in text
    assert text.count("Infrared, 280 K: from the validation runs") == 1
    assert text.count("Infrared, 300 K: from the validation runs") == 1
    assert "skipped" not in text
    assert "Spectra, correlations and structure" in sections


@pytest.fixture(scope="module")
def opposite(tmp_path_factory):
    """The campaign that improved the other way round: it begins where that ended, and ends where that began."""
    folder = tmp_path_factory.mktemp("opposite")
    return FinishedCampaign(folder, quality=(0.55, 0.52, 0.5, 0.4, 0.25, 0.0)).read()


@pytest.fixture(scope="module")
def opposite_page(opposite):
    return render_page(opposite)


@pytest.mark.parametrize(
    ("campaign", "sentences"),
    [
        (
            "improved",
            [
                "Improved The infrared loss on the independent validation run fell from 0.52(2) to 0.35(2), by 6.1",
                "the force error on the test frames grew by 3.4\u00a0%.",
                "infrared loss, 300 K 0.52(2) → 0.35(2) 6.1 standard errors",
                "force error on the test frames 41.2 → 42.6 meV/Å, +3.4\u00a0%",
                "infrared loss (fitted) 300 K 0.52(2) 0.35(2) – −6.1 closer",
                "rdf: first maximum 300 K 3.21(3) 3.04(3) 2.57(5) −3.8 closer",
                "force H meV/Å 34.1 35.3 +3.4\u00a0%",
                "It went from 0.53(4) at iteration 0 to 0.37(4) at iteration 4.",
            ],
        ),
        (
            "opposite",
            [
                "Worse The infrared loss on the independent validation run rose from 0.35(2) to 0.52(2), by 6.1",
                "the force error on the test frames fell by 3.3\u00a0%.",
                "infrared loss, 300 K 0.35(2) → 0.52(2) 6.1 standard errors",
                "force error on the test frames 42.6 → 41.2 meV/Å, −3.3\u00a0%",
                "infrared loss (fitted) 300 K 0.35(2) 0.52(2) – +6.1 further away",
                "rdf: first maximum 300 K 3.04(3) 3.21(3) 2.57(5) +3.8 further away",
                "force H meV/Å 35.3 34.1 −3.3\u00a0%",
                "It went from 0.36(4) at iteration 0 to 0.46(4) at iteration 4.",
            ],
        ),
    ],
)
def test_what_was_before_comes_first_and_what_was_after_second(campaign, sentences, request):
    page = request.getfixturevalue("page" if campaign == "improved" else "opposite_page")
    text = text_of(page)
    assert [sentence for sentence in sentences if sentence not in text] == []


@pytest.mark.parametrize("campaign", ["improved", "opposite"])
def test_curves_are_drawn_with_the_name_of_the_potential_they_belong_to(campaign, request, monkeypatch):
    """In every figure of spectra, correlations and structure."""
    results = request.getfixturevalue(campaign)
    figures, to_svg = [], blocks.to_svg
    monkeypatch.setattr(blocks, "to_svg", lambda figure, text: figures.append(figure) or to_svg(figure, text))
    spectra_chapter(results)
    drawn = [line for figure in figures for axes in figure.axes for line in axes.get_lines()]
    shown = {pair[0].name: pair for pair in results.before_and_after()}
    for name in ("infrared", "rdf", "diffusion: running integral"):
        initial, refined = shown[name]
        for stage, own, other in (("initial", initial, refined), ("refined", refined, initial)):
            named = [line.get_ydata() for line in drawn if line.get_label() == stage]
            assert any(is_part_of(values, own.columns["prediction"]) for values in named), name
            assert not any(is_part_of(values, other.columns["prediction"]) for values in named), name


def test_a_range_that_counts_is_drawn_alone(improved, monkeypatch):
    rdf = {"pair": ["O", "O"], "target": "workflow/data/targets/water_rdf_OO_295K.csv", "range": [2.35, 5]}
    settings = improved.campaign.model_dump()
    settings["validation"]["properties"] = {"rdf": rdf}
    results = replace(improved, campaign=Config.model_validate(settings))
    figures, to_svg = [], blocks.to_svg
    monkeypatch.setattr(blocks, "to_svg", lambda figure, text: figures.append(figure) or to_svg(figure, text))
    spectra_chapter(results)
    spectrum, structure = (
        next(figure.axes for figure in figures if figure.axes[-1].get_xlabel().startswith(name))
        for name in ("wavenumber", "distance")
    )
    assert [axes.get_xlim() for axes in structure] == [pytest.approx((2.35, 4.95))] * 2
    bands = [band.range for band in results.campaign.all_properties()["infrared"].bands]
    assert len(spectrum) == 2 * len(bands)


def test_quantum_nuclei_stand_beside_classical_ones(tmp_path, page, monkeypatch):
    """Those of the refined potential; without path integrals there is no such chapter."""
    results = FinishedCampaign(tmp_path, quantum=True).read()
    figures, to_svg = [], blocks.to_svg
    monkeypatch.setattr(blocks, "to_svg", lambda figure, text: figures.append(figure) or to_svg(figure, text))
    chapter = quantum_chapter(results)
    assert "24 beads (pile_g), 2 runs of 12.5 ps" in chapter.text
    assert "Quantum nuclei" in headings(render_page(results))
    assert "Quantum nuclei" not in headings(page)
    properties, energies = chapter.blocks[:2]
    assert properties.header[3:5] == energies.header[3:5] == ("classical nuclei", "quantum nuclei")
    (maximum,) = [row for row in properties.rows if row[0] == "rdf: first maximum"]
    assert maximum[3:] == ("3.04(3)", "2.91(3)", "2.57(5)", "−3.1", "closer")
    assert energies.rows[1] == ("kinetic energy of H", "300 K", "meV/atom", "38.8", "149.0(4)", "110.2(4)")
    drawn = [line for figure in figures for axes in figure.axes for line in axes.get_lines()]
    refined = {curve.name: curve for curve in results.curves["refined"]}
    quantum = {curve.name: curve for curve in results.quantum.curves}
    for nuclei, own in (("classical nuclei", refined), ("quantum nuclei", quantum)):
        named = [line.get_ydata() for line in drawn if line.get_label() == nuclei]
        assert any(is_part_of(values, own["rdf"].columns["prediction"]) for values in named)


@pytest.mark.parametrize(("campaign", "highest"), [("improved", "initial"), ("opposite", "refined")])
def test_curves_are_read_from_the_files_of_their_stage(campaign, highest, request):
    """The better a potential of these campaigns is, the lower is the first maximum of its structure."""
    curves = request.getfixturevalue(campaign).before_and_after()
    initial, refined = next(pair for pair in curves if pair[0].name == "rdf")
    maxima = {
        stage: curve.columns["prediction"].max()
        for stage, curve in (("initial", initial), ("refined", refined))
    }
    assert max(maxima, key=maxima.get) == highest


def is_part_of(values, curve):
    """Whether these are some values of a curve."""
    return len(values) > 1 and np.isin(values, curve).all()


def test_properties_are_compared_with_those_of_the_same_name_and_state():
    columns = ["property", "family", "role", "state", "value", "standard_error", "unit"]
    columns += ["measured", "measured_error", "fitted"]
    initial = [
        ("density", "density", "value", "280K", 1.0, 0.1, "g/cm³", 0.9, 0.2, True),
        ("density", "density", "value", "300K", 2.0, 0.3, "g/cm³", 0.8, 0.4, True),
    ]
    initial += [("viscosity", "viscosity", "value", "300K", 5.0, 0.5, "mPa s", 4.0, 0.6, False)]
    refined = [("density", "density", "value", "300K", 3.0, 0.7)]
    refined += [("density", "density", "value", "280K", 4.0, 0.8)]
    found = changes(
        pd.DataFrame(initial, columns=columns),
        pd.DataFrame([(*row, "other", 7.0, 7.0, False) for row in refined], columns=columns),
        {"280K": "280 K", "300K": "300 K"},
    )
    assert found == [
        Change(
            "density", "density", "value", "280K", "280 K", "g/cm³", True, (1.0, 0.1), (4.0, 0.8), (0.9, 0.2)
        ),
        Change(
            "density", "density", "value", "300K", "300 K", "g/cm³", True, (2.0, 0.3), (3.0, 0.7), (0.8, 0.4)
        ),
    ]


def test_a_campaign_without_spectra_has_no_section_of_them(tmp_path):
    results = FinishedCampaign(tmp_path, spectrum=False).read()
    page = render_page(results)
    assert "Spectra before, after and measured" not in headings(page)
    assert "The diffusion loss on the independent validation run fell" in text_of(page)
    assert "Diffusion, 300 K, by iteration." in text_of(page)
    assert "self-diffusion (10⁻⁹ m²/s)" in page and "1e-9" not in page.split("Settings and versions")[0]
    assert "2 times the diffusion loss and 10 times the anchor" in text_of(page)


def test_a_campaign_without_a_data_set_has_no_sections_of_it(tmp_path):
    results = FinishedCampaign(tmp_path, spectrum=False).read()
    table = results.history.table
    history = History(table[(table.role != "anchor") & (table.quantity != "anchor")])
    for iteration in results.history.iterations:
        history = history.extended(
            iteration,
            [
                Entry("parameter", "sigma", 3.38 + 0.002 * iteration, unit="Å"),
                Entry("parameter", "epsilon", 0.0093, unit="eV"),
                Entry("derivative", "sigma", -50.0, unit="1/Å"),
                Entry("derivative", "epsilon", -80.0, unit="1/eV"),
            ],
        )
    nothing = pd.DataFrame(columns=["quantity", "value", "unit"])
    results = replace(
        results,
        campaign=results.campaign.model_copy(update={"dataset": None}),
        history=history,
        errors=dict.fromkeys(results.errors, nothing),
        trainings={},
        frames=pd.DataFrame(),
        summary=pd.DataFrame(),
    )
    page = render_page(results)
    text = text_of(page)
    assert not {"Data set and training", "Ab initio errors"} & set(headings(page))
    assert "force error" not in text and "anchor" not in text.split("Settings and versions")[0]
    assert "Parameters at the start of each iteration." in text


def test_what_holds_a_refined_surface_is_told(tmp_path):
    """In the sentence of the objective, and by iteration beside the anchor of the potential."""
    results = FinishedCampaign(tmp_path, spectrum=False).read()
    refined = {"dipole": RefinedSurfaceSettings(anchor_weight=4)}
    optimiser = results.campaign.optimiser.model_copy(update={"surfaces": refined})
    history = results.history
    for iteration in history.iterations:
        history = history.extended(iteration, [Entry("anchor", "anchor of the dipole", 0.00123)])
    campaign = results.campaign.model_copy(update={"optimiser": optimiser})
    text = text_of(render_page(replace(results, campaign=campaign, history=history)))
    assert "10 times the anchor to the ab initio frames and 4 times that of the dipole." in text
    assert "anchor of the dipole" in text and "0.00123" in text


@pytest.mark.parametrize(
    ("level", "said"),
    [
        ("PBE0", "potential (PBE0) and dipole (PBE0)."),
        ("SCAN", "potential (PBE0) and dipole (SCAN). They differ or are not all stated"),
        (None, "potential (PBE0) and dipole (not stated). They differ or are not all stated"),
    ],
)
def test_levels_of_theory_of_data_sets_are_told(level, said):
    values = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    dataset = values["dataset"] | {"level": "PBE0"}
    own = {"surface": {"kind": "dipole"}, "dataset": values["dataset"] | {"level": level}}
    campaign = Config.model_validate(values | {"dataset": dataset, "surfaces": {"dipole": own}})
    text = levels_of_theory(campaign, ["potential", "dipole"])
    assert said in text and (level == "PBE0") == text.endswith("dipole (PBE0).")
    alone = campaign.model_copy(update={"surfaces": {}})
    assert levels_of_theory(alone, ["potential", "dipole"]) == ""


def test_frames_that_were_left_out_are_told_of_each_data_set(improved):
    said = "For the dipole alone, 12 frames were read, with 1 left out: the geometry of an earlier frame (1)."
    both = _training(improved)
    assert both.text.startswith(
        "127 frames were read, with 2 left out: a force above 20 eV/Å (2). For the dipole alone"
    )
    assert said in both.text
    own = _training(replace(improved, frames=pd.DataFrame(), summary=pd.DataFrame()))
    assert own.text.startswith(said) and len(own.blocks) == len(both.blocks) - 2
    one = _training(replace(improved, own_frames={}))
    assert one.text.endswith("(2).")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("natural", "8 iterations of the natural gradient, with steps of at most 2.5 meV/Å."),
        ("adam", "8 iterations of adam with learning rate 0.001."),
    ],
)
def test_the_summary_of_snakemake_names_what_sets_the_length_of_steps(name, said):
    optimiser = {"name": name, "iterations": 8, "force_change": 2.5, "learning_rate": 1e-3}
    params = SimpleNamespace(settings={"configuration": {"optimiser": optimiser}})
    caption = Template((ROOT / "workflow/report/summary.rst").read_text(encoding="utf-8"))
    assert caption.render(snakemake=SimpleNamespace(params=params)).strip().endswith(said)


def test_the_same_results_give_the_same_figure(improved):
    first, second = (to_svg(dataset_figure(improved.frames), "frames") for _ in range(2))
    assert first == second


def test_without_benchmarks_there_are_no_timings(tmp_path):
    assert len(read_timings(tmp_path / "absent", tmp_path / "absent")) == 0


def test_what_jobs_measured_is_gathered_by_rule(improved):
    timings = improved.timings.set_index("rule")
    gradient, training = timings.loc["adjoint_gradient"], timings.loc["train_dipole"]
    assert gradient.device == "gpu (H200)"
    assert gradient.compilation_total == 20.0 + 9 * 1.0
    assert gradient.queue_mean == 3.0 * 4.5
    assert gradient.steps_per_second == pytest.approx(200.0)
    assert training.device == ""
    assert np.isnan([training.compilation_total, training.queue_mean, training.steps_per_second]).all()


def test_figures_are_written_as_pictures(improved, tmp_path):
    training = improved.trainings["potential"]
    save_figure(tmp_path / "potential.png", training_figure(training.learning_curve, training.parity))
    picture = (tmp_path / "potential.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert list(tmp_path.iterdir()) == [tmp_path / "potential.png"]


def test_frames_without_a_label_are_left_out_of_the_parity(improved):
    training = improved.trainings["dipole"]
    (test,) = training.parity["test"]
    labelled = np.where(np.arange(len(test.labelled)) % 2, test.labelled, np.nan)
    parity = training.parity | {"test": [replace(test, labelled=labelled)]}
    assert "NaN" not in to_svg(training_figure(training.learning_curve, parity), "training")


def test_a_quantity_that_the_library_does_not_know_is_drawn_by_its_own_name(improved):
    training = improved.trainings["dipole"]
    parity = {
        part: [replace(pairs, quantity="charges", unit="e") for pairs in own]
        for part, own in training.parity.items()
    }
    assert "ab initio charges (e)" in to_svg(training_figure(training.learning_curve, parity), "training")


def test_a_single_iteration_that_passed_through_is_named():
    sentence = "Iteration 2 was skipped because the refinement had converged, and is left out."
    assert (_passed_through([2]), _passed_through([])) == (sentence, "")
