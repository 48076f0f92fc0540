"""The bands of liquid water in infrared spectra, simulated and as it was measured."""

from collections.abc import Iterator, Mapping

import numpy as np
from scipy.ndimage import gaussian_filter1d

from dynrefine.config.model import Config
from dynrefine.config.properties.spectra import InfraredSettings, RamanSettings
from dynrefine.files.curves import Curve
from dynrefine.files.tables import read_measured

SHORTEST_WINDOW = 1000.0  # fs: a shorter one broadens the bands
SMOOTHING = 20.0  # cm⁻¹, of positions and heights of maxima: what noise there is does not count as one
BANDS = {  # cm⁻¹
    "hydrogen-bond stretch": (120.0, 280.0),
    "libration": (450.0, 850.0),
    "bend": (1500.0, 1800.0),
    "association band": (2000.0, 2300.0),
    "OH stretch": (3000.0, 3800.0),
}


def has_bands(campaign: Config, spectrum: InfraredSettings | RamanSettings) -> bool:
    """Whether a spectrum is an infrared one of water, with bands of their own width, that was measured."""
    of_water = {element.symbol for element in campaign.elements} == {"O", "H"}
    infrared = isinstance(spectrum, InfraredSettings)
    return of_water and infrared and spectrum.window >= SHORTEST_WINDOW and spectrum.target_file is not None


def rows_of_bands(spectra: Mapping[str, Curve], file: str) -> Iterator[dict[str, str | float]]:
    """Rows of a table: a quantity, its unit, measured, and by stage.

    Arguments:
        spectra: by stage.
        file: the measured spectrum, which is taken as it was published, neither broadened nor scaled.
    """
    grid = next(iter(spectra.values())).columns["abscissa"]
    measured = np.interp(grid, *read_measured(file).T[:2])
    lengths = {
        "difference": {stage: curve.columns["prediction"] - measured for stage, curve in spectra.items()},
        "of which noise": {stage: curve.columns["prediction_error"] for stage, curve in spectra.items()},
    }
    for name, by_stage in lengths.items():
        parts = {stage: np.linalg.norm(each) / np.linalg.norm(measured) for stage, each in by_stage.items()}
        yield {
            "quantity": f"relative L2 {name}",
            "unit": "%",
            "measured": np.nan,
            **{stage: float(100.0 * part) for stage, part in parts.items()},
        }
    columns = {"measured": measured} | {
        stage: curve.columns["prediction"] for stage, curve in spectra.items()
    }
    for band, limits in BANDS.items():
        maxima = {name: _maximum(grid, column, limits) for name, column in columns.items()}
        for number, quantity, unit in ((0, "maximum", "cm⁻¹"), (1, "height", "cm⁻¹")):
            own = {name: maximum[number] for name, maximum in maxima.items()}
            yield {"quantity": f"{band}, {quantity}", "unit": unit, **own}


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
