"""Write what a campaign came to as small tables and figures for these pages.

    python docs/results.py config/teacher-argon.yaml docs/results

Of several configurations, later ones stand on top. In docs/results/<campaign>, of the stages of the validation that
are there:

    properties.csv              what was simulated, beside what was measured or what the teacher has, but for maxima
    other_states.csv            of states that were not fitted, where fitted ones are judged too
    errors.csv                  errors on the ab initio test frames, where there are any
    teacher.csv                 parameters and forces beside the teacher's, where there is one
    covariance.csv              of the refined parameters that have names, where it was asked for
    left_open.csv               of properties, where the parameters have none
    spectrum.svg                of the infrared spectrum with the longest window
    bands.csv                   its relative difference from the measured one, and its maxima that are told
    raman.svg                   of the Raman spectrum with the longest window
    quantum.csv, energies.csv, quantum_<property>_<state>.svg
                                path integrals beside classical nuclei, where they ran
    refinement.csv              the objective and its terms by iteration
    seconds.csv                 what jobs took, and what of it was compiling, by rule
    parameters.svg              the parameters that have names, by iteration
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.linalg import norm

from dynrefine.config import load_config
from dynrefine.config.load import read_together
from dynrefine.config.model import Config
from dynrefine.config.properties.spectra import InfraredSettings, RamanSettings
from dynrefine.files.curves import Curve, load_curves
from dynrefine.files.history import History, load_history
from dynrefine.report.figures import parameters_figure, save_figure, spectrum_figure
from dynrefine.report.quantum import NUCLEI, beside_classical
from dynrefine.report.results import read_jobs
from dynrefine.report.side_by_side import side_by_side

Spectrum = InfraredSettings | RamanSettings

OF_PROPERTIES = ["property", "state", "unit", "measured", "measured_error"]
OF_ERRORS = ["quantity", "unit"]
OF_MAXIMA = (", position", ", height")
OF_TEACHER = ["role", "where", "quantity", "unit", "teacher"]


def main(configuration: str | Mapping[str, Any], folder: Path) -> None:
    """Tables and figures of the campaign of a configuration."""
    campaign = load_config(configuration)
    name = campaign.campaign.name
    results, own = Path("results", name), folder / name
    validation = results / "validation"
    stages = [stage for stage in ("initial", "refined") if (validation / stage / "properties.csv").exists()]
    if not stages:
        sys.exit(f"error: {validation} has no stage with properties: run the campaign first.")
    own.mkdir(parents=True, exist_ok=True)
    by_stage = {stage: validation / stage for stage in stages}
    properties = _beside(by_stage, "properties.csv", OF_PROPERTIES)
    bands = _bands(campaign, by_stage, properties)
    if bands is not None:
        _write(own / "bands.csv", bands)
    _properties(campaign, properties[~properties.property.str.endswith(OF_MAXIMA)], own)
    if campaign.dataset is not None:
        _write(own / "errors.csv", _beside(by_stage, "errors.csv", OF_ERRORS))
    if campaign.teacher is not None:
        _write(own / "teacher.csv", _beside(by_stage, "against_teacher.csv", OF_TEACHER))
    for path in (validation / "refined/covariance.csv", validation / "refined/left_open.csv"):
        if path.exists():
            _write(own / path.name, pd.read_csv(path))
    _spectra(campaign, by_stage, own)
    _path_integrals(results, stages, own)
    history = results / f"refinement/{campaign.optimiser.iterations - 1:03d}/history.csv"
    if history.exists():
        _refinement(load_history(history), own)
    _seconds(results, own)


def _properties(campaign: Config, properties: pd.DataFrame, own: Path) -> None:
    """Properties, those of states that only judge apart, property by property and without their losses."""
    judged, fitted = set(campaign.judged_states()), set(campaign.states_by_label())
    apart = properties.state.isin(judged - fitted if judged & fitted else set())
    _write(own / "properties.csv", properties[~apart])
    if apart.any():
        others = properties[apart & ~properties.property.str.endswith(" loss")]
        order = others.groupby("property", sort=False).ngroup()
        _write(own / "other_states.csv", others.iloc[np.argsort(order, kind="stable")])


def _write(path: Path, table: pd.DataFrame) -> None:
    table.to_csv(path, index=False, float_format="%.5g")


def _beside(by_stage: Mapping[str, Path], file: str, keys: Sequence[str]) -> pd.DataFrame:
    """The tables of this name of all stages."""
    return side_by_side({stage: folder / file for stage, folder in by_stage.items()}, keys)


def _longest(campaign: Config, kind: type[Spectrum]) -> tuple[str, Spectrum] | None:
    """Name and settings of the spectrum of this kind with the longest window, if there is one."""
    spectra = ((name, each) for name, each in campaign.all_properties().items() if isinstance(each, kind))
    return max(spectra, key=lambda item: item[1].window, default=None)


def _by_stage(name: str, by_stage: Mapping[str, Path]) -> dict[str, Curve]:
    """The curve of this name, of the first state."""
    return {
        stage: next(curve for curve in load_curves(folder / "curves.npz") if curve.name == name)
        for stage, folder in by_stage.items()
    }


def _spectra(campaign: Config, by_stage: Mapping[str, Path], own: Path) -> None:
    """Figures of the infrared and of the Raman spectrum with the longest window, through the fitted bands."""
    fitted = campaign.objective.observables.chosen().values()
    for file, kind in {"spectrum.svg": InfraredSettings, "raman.svg": RamanSettings}.items():
        longest = _longest(campaign, kind)
        if longest is not None:
            name, settings = longest
            drawn = next((each for each in fitted if isinstance(each, kind)), settings)
            reference = "synthetic" if settings.synthetic else "measured"
            curves = _by_stage(name, by_stage)
            save_figure(own / file, spectrum_figure(curves, drawn.drawn_ranges, reference))


def _bands(campaign: Config, by_stage: Mapping[str, Path], properties: pd.DataFrame) -> pd.DataFrame | None:
    """How far the infrared spectrum with the longest window is off, and its maxima, of the first state."""
    longest = _longest(campaign, InfraredSettings)
    if longest is None:
        return None
    curves = _by_stage(longest[0], by_stage)
    parts = pd.DataFrame({stage: _relative_lengths(curve) for stage, curve in curves.items()})
    parts = parts.rename_axis("property").reset_index().assign(unit="%")
    told, state = f"{longest[0]}: ", next(iter(curves.values())).state
    maxima = properties[properties.property.str.startswith(told) & (properties.state == state)]
    maxima = maxima.assign(property=maxima.property.str.removeprefix(told))
    columns = [column for column in properties if column not in ("state", "measured_error")]
    return pd.concat([parts, maxima])[columns]


def _relative_lengths(curve: Curve) -> dict[str, float]:
    """How far a curve is off, and how much of that its noise accounts for, in % of the target, in L2."""
    target, prediction, noise = (curve.columns[name] for name in ("target", "prediction", "prediction_error"))
    lengths = {
        "relative difference": prediction - target,
        "relative difference, of which noise": noise,
    }
    return {name: 100.0 * float(norm(each) / norm(target)) for name, each in lengths.items()}


def _path_integrals(results: Path, stages: Sequence[str], own: Path) -> None:
    """Quantum nuclei beside classical ones, with the last potential that they ran with."""
    ran = [stage for stage in stages if (results / "path_integrals" / stage / "properties.csv").exists()]
    if not ran:
        return
    quantum, classical = results / "path_integrals" / ran[-1], results / "validation" / ran[-1]
    nuclei = dict(zip(NUCLEI, (classical, quantum), strict=True))
    _write(own / "quantum.csv", _beside(nuclei, "properties.csv", OF_PROPERTIES))
    _write(own / "energies.csv", pd.read_csv(quantum / "energies.csv"))
    curves = (load_curves(folder / "curves.npz") for folder in (classical, quantum))
    for both in beside_classical(*curves):
        curve = both[NUCLEI[0]]
        save_figure(own / f"quantum_{curve.name}_{curve.state}.svg", spectrum_figure(both))


def _refinement(history: History, own: Path) -> None:
    """The objective by iteration, and the figure of the parameters that have names."""
    terms = history.by_quantity("objective") | history.by_quantity("loss")
    columns = {}
    for (quantity, state), rows in terms.items():
        name = f"{quantity} {state}".strip()
        columns |= {name: rows.value.to_numpy(), f"{name}_error": rows.standard_error.to_numpy()}
    _write(own / "refinement.csv", pd.DataFrame({"iteration": history.iterations} | columns))
    if len(history.of_role("parameter")):
        save_figure(own / "parameters.svg", parameters_figure(history))


def _seconds(results: Path, own: Path) -> None:
    """What all jobs of a rule took, and the last of them, which finds the compiled programs."""
    jobs = read_jobs(results / "benchmarks", results / "logs")
    if jobs.empty:
        return
    table = (
        jobs.dropna(subset=["seconds"])
        .groupby("rule")
        .agg(
            device=("device", "last"),
            jobs=("seconds", "size"),
            seconds=("seconds", "sum"),
            compiling=("compilation_seconds", "sum"),
            last_job=("seconds", "last"),
        )
    )
    _write(own / "seconds.csv", table.sort_values("seconds", ascending=False).reset_index())


if __name__ == "__main__":
    *files, folder = map(Path, sys.argv[1:])
    main(read_together(files), folder)
