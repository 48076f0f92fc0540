"""Write the figures of a campaign of liquid water for docs/results/water.md.

python docs/water_results.py config/water.yaml docs/results/water

Of the stages of the validation those that are there.

What is compared: the spectrum of the validation `infrared_2ps`, a window of 2 ps on a grid of 8 cm⁻¹, against the
measured one as it was published, neither broadened nor scaled.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter1d

from dynrefine.config import load_config
from dynrefine.config.model import Config
from dynrefine.files.curves import Curve, load_curves
from dynrefine.files.tables import read_measured
from dynrefine.report.figures import save_figure, spectrum_figure

SPECTRUM = "infrared_2ps"
STAGES = ("initial", "refined")
SMOOTHING = 20.0  # cm⁻¹, of positions and heights of maxima: what noise there is does not count as one
BANDS = {  # cm⁻¹
    "hydrogen-bond stretch": (120.0, 280.0),
    "libration": (450.0, 850.0),
    "bend": (1500.0, 1800.0),
    "association band": (2000.0, 2300.0),
    "OH stretch": (3000.0, 3800.0),
}


def main(configuration: str, folder: Path) -> None:
    """Tables and the figure of the campaign of a configuration."""
    campaign = load_config(configuration)
    results = Path("results", campaign.campaign.name)
    folder.mkdir(parents=True, exist_ok=True)
    stages = [stage for stage in STAGES if (results / f"validation/{stage}/properties.csv").exists()]
    spectra = {stage: _spectrum(results / f"validation/{stage}/curves.npz") for stage in stages}
    measured = read_measured(campaign.validation.properties.chosen()[SPECTRUM].target_file)
    pd.DataFrame(_bands(spectra, measured)).to_csv(folder / "bands.csv", index=False, float_format="%.4g")
    _properties(results, stages).to_csv(folder / "properties.csv", index=False, float_format="%.4g")
    _errors(results, stages).to_csv(folder / "errors.csv", index=False, float_format="%.4g")
    save_figure(folder / "spectrum.svg", spectrum_figure(spectra, _ranges(campaign)))


def _spectrum(path: Path) -> Curve:
    return next(curve for curve in load_curves(path) if curve.name == SPECTRUM)


def _bands(spectra: dict[str, Curve], measured: np.ndarray) -> Iterator[dict[str, str | float]]:
    """Rows of the table: a quantity, its unit, measured, and by stage."""
    grid = spectra["initial"].columns["abscissa"]
    truth = np.interp(grid, *measured.T[:2])
    size = np.sqrt(np.sum(truth**2))
    by_stage = {stage: curve.columns["prediction"] for stage, curve in spectra.items()}
    differences = {stage: np.sqrt(np.sum((own - truth) ** 2)) for stage, own in by_stage.items()}
    noises = {
        stage: np.sqrt(np.sum(curve.columns["prediction_error"] ** 2)) for stage, curve in spectra.items()
    }
    for name, lengths in (("difference", differences), ("of which noise", noises)):
        yield {
            "quantity": f"relative L2 {name}",
            "unit": "%",
            "measured": np.nan,
            **{stage: 100.0 * length / size for stage, length in lengths.items()},
        }
    for band, limits in BANDS.items():
        maxima = {name: _maximum(grid, own, limits) for name, own in ({"measured": truth} | by_stage).items()}
        for number, quantity, unit in ((0, "maximum", "cm⁻¹"), (1, "height", "cm⁻¹")):
            yield {
                "quantity": f"{band}, {quantity}",
                "unit": unit,
                **{name: maximum[number] for name, maximum in maxima.items()},
            }


def _maximum(grid: np.ndarray, spectrum: np.ndarray, limits: tuple[float, float]) -> tuple[float, float]:
    """Position and height of the maximum between two wavenumbers, of the smoothed spectrum."""
    smooth = gaussian_filter1d(spectrum, SMOOTHING / (grid[1] - grid[0]))
    inside = np.flatnonzero((grid >= limits[0]) & (grid <= limits[1]))
    place = inside[np.argmax(smooth[inside])]
    curvature, slope, height = np.polyfit(
        grid[place - 2 : place + 3] - grid[place], smooth[place - 2 : place + 3], 2
    )
    shift = np.clip(-0.5 * slope / curvature, grid[0] - grid[1], grid[1] - grid[0])
    return float(grid[place] + shift), float(height + slope * shift + curvature * shift**2)


def _properties(results: Path, stages: Sequence[str]) -> pd.DataFrame:
    """Numbers of the validation of each stage, beside the measured ones."""
    keys = ["property", "state", "unit", "measured", "measured_error"]
    tables = []
    for stage in stages:
        table = pd.read_csv(results / f"validation/{stage}/properties.csv")
        own = table[keys].copy()
        own[stage], own[f"{stage}_error"] = table["value"], table["standard_error"]
        tables.append(own.set_index(keys))
    return pd.concat(tables, axis=1).reset_index()


def _errors(results: Path, stages: Sequence[str]) -> pd.DataFrame:
    """Errors on the ab initio test frames of each stage."""
    keys = ["quantity", "unit"]
    tables = [
        pd.read_csv(results / f"validation/{stage}/errors.csv").set_index(keys).value for stage in stages
    ]
    return pd.concat(dict(zip(stages, tables, strict=True)), axis=1).reset_index()


def _ranges(campaign: Config) -> list[list[float]]:
    return [band.range for band in campaign.all_properties()["infrared"].compared_bands]


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
