"""Draw the infrared spectrum of a finished campaign before, after and measured, and print how far both are off.

python docs/spectrum.py config/config.yaml docs/images/spectrum.svg
"""

import sys
from pathlib import Path

import numpy as np

from dynrefine.config import load_config
from dynrefine.files.curves import load_curves
from dynrefine.report.figures import save_figure, spectrum_figure

campaign = load_config(sys.argv[1])
results = Path("results", campaign.campaign.name, "validation")
bands = campaign.all_properties()["infrared"].compared_bands
initial, refined = (
    next(curve for curve in load_curves(results / stage / "curves.npz") if curve.name == "infrared")
    for stage in ("initial", "refined")
)
for stage, curve in (("initial", initial), ("refined", refined)):
    target = curve.columns["target"]
    difference = np.linalg.norm(curve.columns["prediction"] - target) / np.linalg.norm(target)
    print(
        f"{stage}: relative L2 difference from the measured one, as broad as it is, {100.0 * difference:.1f} %"
    )
save_figure(
    sys.argv[2], spectrum_figure({"initial": initial, "refined": refined}, [band.range for band in bands])
)
