"""The scripts that write what campaigns came to for the documentation."""

import json
from importlib import import_module

import numpy as np
import pandas as pd
import pytest
import yaml
from finished_campaign import ROOT

from dynrefine.files.curves import curve_of, save_curves
from dynrefine.files.history import Entry, begun, save_history

GRID = np.arange(8.0, 4001.0, 8.0)
SPECTRUM = np.exp(-0.5 * ((GRID - 1644.0) / 60.0) ** 2)


@pytest.fixture
def tables(tmp_path, monkeypatch):
    """Of a campaign of water without its refined stage; the measured spectrum is twice the simulated one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(ROOT / "docs")
    measured = pd.DataFrame({"wavenumber": GRID, "measured": 2000.0 * SPECTRUM})
    measured.to_csv("target.csv", index=False)
    settings = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))
    judging = {"kind": "infrared", "target": "target.csv", "window": 1000, "bands": [{"range": [100, 4000]}]}
    judging["maxima"] = {"bend": [1500, 1800]}
    warmer = settings["states"][0] | {"temperature": 340.0, "density": 0.979}
    settings["validation"] |= {"length": 1000, "properties": {"infrared_1ps": judging}}
    settings["validation"]["states"] = [*settings["states"], warmer]
    initial = tmp_path / "results/water16/validation/initial"
    initial.mkdir(parents=True)
    axes = (("wavenumber", "cm⁻¹"), ("n(ν)α(ν)", "cm⁻¹"))
    simulated = 1000.0 * SPECTRUM, 20.0 * SPECTRUM
    save_curves(
        initial / "curves.npz",
        [curve_of("infrared_1ps", "300K", axes, (GRID, 2000.0 * SPECTRUM), simulated)],
    )
    (initial / "properties.csv").write_text(
        "property,family,role,unit,fitted,state,value,standard_error,measured,measured_error\n"
        "pressure,pressure,value,bar,False,300K,4725.98,143.774,1,\n"
        "pressure,pressure,value,bar,False,340K,4275.2,120.6,1,\n"
        "pressure loss,pressure,loss,1,False,340K,0.04,0.01,,\n"
        '"infrared_1ps: bend, position",infrared,value,cm⁻¹,False,300K,1651.04,1.25,1644,\n'
    )
    (initial / "errors.csv").write_text("quantity,value,unit\nforce,25.1968,meV/Å\n")
    losses = [Entry("loss", "infrared", 0.2934, 0.0224, state="300K"), Entry("loss", "pressure", 0.04, 0.01)]
    history = begun()
    for iteration in range(settings["optimiser"]["iterations"]):
        objective = Entry("objective", "objective", 0.5 / (iteration + 1), 0.02)
        history = history.extended(iteration, [objective, *losses])
    last = tmp_path / f"results/water16/refinement/{history.iterations[-1]:03d}"
    last.mkdir(parents=True)
    save_history(last / "history.csv", history)
    for chunk, seconds in (("00", 40.0), ("01", 10.0)):
        job = {"device": "cpu (cpu)", "seconds": seconds, "compilation_seconds": seconds - 10.0}
        for file, text in (("logs/{}.json", json.dumps(job)), ("benchmarks/{}.tsv", "s\n41.0\n")):
            path = tmp_path / "results/water16" / file.format(f"run_trajectories/000_300K_{chunk}")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    import_module("results").main(settings, tmp_path / "docs")
    return {path.stem: pd.read_csv(path) for path in (tmp_path / "docs/water16").glob("*.csv")}


def test_the_tables_have_what_there_is_of_a_campaign(tables):
    assert tables.keys() == {"properties", "other_states", "errors", "bands", "refinement", "seconds"}
    (pressure,) = tables["properties"].to_dict("records")
    assert (pressure["initial"], pressure["initial_error"], pressure["measured"]) == (4726.0, 143.77, 1.0)
    (pressure,) = tables["other_states"].to_dict("records")
    assert (pressure["property"], pressure["state"], pressure["initial"]) == ("pressure", "340K", 4275.2)
    (seconds,) = tables["seconds"].to_dict("records")
    expected = {"jobs": 2, "seconds": 50.0, "compiling": 30.0, "last_job": 10.0}
    assert seconds == {"rule": "run_trajectories", "device": "cpu (cpu)"} | expected
    assert tables["errors"].to_dict("records") == [{"quantity": "force", "unit": "meV/Å", "initial": 25.197}]

    steps = tables["refinement"]
    assert steps.iteration.tolist() == list(range(len(steps)))
    np.testing.assert_allclose(steps.objective, 0.5 / (steps.iteration + 1), rtol=1e-4)
    assert steps["infrared 300K"].eq(0.2934).all() and steps["pressure_error"].eq(0.01).all()


def test_the_table_of_bands_has_how_far_the_spectrum_is_off_and_its_maxima(tables):
    assert tables["bands"].columns.tolist() == ["property", "unit", "measured", "initial", "initial_error"]
    bands = tables["bands"].set_index("property")
    assert bands.initial.to_dict() == {
        "relative difference": 50.0,
        "relative difference, of which noise": 1.0,
        "bend, position": 1651.0,
    }
    assert bands.loc["bend, position", ["unit", "measured", "initial_error"]].tolist() == [
        "cm⁻¹",
        1644.0,
        1.25,
    ]


def test_seeds_stand_side_by_side_with_mean_and_spread_of_what_all_runs_have(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs")
    seeds = import_module("seeds")
    runs = []
    for number, refined in enumerate((14.0, 15.0, 19.0)):
        run = tmp_path / str(number)
        run.mkdir()
        (run / "bands.csv").write_text(
            "property,unit,measured,initial,initial_error,refined,refined_error\n"
            f'"bend, height",cm⁻¹,3226.9,22.0,1.0,{refined},1.5\n'
        )
        alone = "alone,298K,1,,1,1,2,1\n" * (number == 0)
        (run / "properties.csv").write_text(
            f"property,state,unit,measured,initial,initial_error,refined,refined_error\n{alone}"
            f"density,298K,g/cm³,,0.85,0.01,{refined / 20},0.01\n"
        )
        (run / "errors.csv").write_text(f"quantity,unit,initial,refined\nforce,meV/Å,25,{refined}\n")
        runs.append(seeds.read(f"{run}:{'initial' if number == 0 else 'refined'}"))
    table = seeds.over_seeds(runs).set_index("property")
    assert table.index.tolist() == ["bend, height", "density", "force"]
    bend = table.loc["bend, height"]
    expected = {"unit": "cm⁻¹", "measured": 3226.9, "run 1": 22.0, "run 2": 15.0, "run 3": 19.0}
    assert bend.drop("spread").to_dict() == expected | {"mean": pytest.approx(56 / 3)}
    assert bend.spread == pytest.approx(np.std([22.0, 15.0, 19.0], ddof=1))
    assert table.loc["density", "mean"] == pytest.approx((0.85 + 0.75 + 0.95) / 3)
