"""Write what a campaign came to as small tables and figures for these pages.

    python docs/results.py config/teacher-argon.yaml docs/results

Of several configurations, later ones stand on top. In docs/results/<campaign>, of the stages of the validation that
are there:

    properties.csv              what was simulated, beside what was measured or what the teacher has
    errors.csv                  errors on the ab initio test frames, where there are any
    teacher.csv                 parameters and forces beside the teacher's, where there is one
    covariance.csv              of the refined parameters that have names, where it was asked for
    left_open.csv               of properties, where the parameters have none
    bands.csv, spectrum.svg     of the infrared spectrum with the longest window; the bands are those of water
    raman.svg                   likewise, of the Raman spectrum
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

import pandas as pd
from infrared_bands import has_bands, rows_of_bands

from dynrefine.config import load_config
from dynrefine.config.load import read_together
from dynrefine.config.model import Config
from dynrefine.config.properties.spectra import InfraredSettings, RamanSettings
from dynrefine.files.curves import load_curves
from dynrefine.files.history import History, load_history
from dynrefine.report.figures import parameters_figure, save_figure, spectrum_figure
from dynrefine.report.quantum import NUCLEI, beside_classical
from dynrefine.report.results import read_jobs
from dynrefine.report.side_by_side import side_by_side

OF_PROPERTIES = ["property", "state", "unit", "measured", "measured_error"]
OF_ERRORS = ["quantity", "unit"]
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
    _write(own / "properties.csv", _beside(by_stage, "properties.csv", OF_PROPERTIES))
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


def _write(path: Path, table: pd.DataFrame) -> None:
    table.to_csv(path, index=False, float_format="%.5g")


def _beside(by_stage: Mapping[str, Path], file: str, keys: Sequence[str]) -> pd.DataFrame:
    """The tables of this name of all stages."""
    return side_by_side({stage: folder / file for stage, folder in by_stage.items()}, keys)


def _spectra(campaign: Config, by_stage: dict[str, Path], own: Path) -> None:
    """Figures of the infrared and of the Raman spectrum, each with the longest window, where there are any."""
    for file, kind in {"spectrum.svg": InfraredSettings, "raman.svg": RamanSettings}.items():
        spectra = {name: each for name, each in campaign.all_properties().items() if isinstance(each, kind)}
        if spectra:
            _spectrum(campaign, spectra, by_stage, own / file)


def _spectrum(
    campaign: Config,
    spectra: Mapping[str, InfraredSettings | RamanSettings],
    by_stage: dict[str, Path],
    path: Path,
) -> None:
    """Figure of the spectrum with the longest window, of the first state; beside it its bands, if it has them."""
    name, settings = max(spectra.items(), key=lambda item: item[1].window)
    curves = {
        stage: next(curve for curve in load_curves(folder / "curves.npz") if curve.name == name)
        for stage, folder in by_stage.items()
    }
    fitted = campaign.objective.observables.chosen()
    drawn = next((each for key, each in spectra.items() if key in fitted), settings)
    reference = "synthetic" if settings.synthetic else "measured"
    figure = spectrum_figure(curves, [band.range for band in drawn.compared_bands], reference)
    save_figure(path, figure)
    if has_bands(campaign, settings):
        _write(path.with_name("bands.csv"), pd.DataFrame(rows_of_bands(curves, settings.target_file)))


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
