"""Write what a finished campaign came to as a small table and a figure for these pages.

python docs/results.py config/teacher-argon.yaml docs/results

The table <campaign>.csv has what was measured, or what the teacher has, beside the initial and the refined potential;
<campaign>_forces.csv what compare_with_teacher found, where there is a teacher; the figure <campaign>.svg shows the
parameters that have names by iteration, or else the infrared spectrum.
"""

import sys
from pathlib import Path

import pandas as pd

from dynrefine.config import load_config
from dynrefine.files.curves import load_curves
from dynrefine.files.history import load_history
from dynrefine.files.tables import write_table
from dynrefine.report.figures import parameters_figure, save_figure, spectrum_figure

STAGES = ("initial", "refined")
KEYS = ["property", "state", "unit"]

campaign, folder = load_config(sys.argv[1]), Path(sys.argv[2])
name = campaign.campaign.name
results = Path("results", name)
last = f"{campaign.optimiser.iterations - 1:03d}"


def of_stages(file, keys, columns):
    """The tables of both stages side by side, to six digits."""
    initial, refined = (
        pd.read_csv(results / "validation" / stage / file)[[*keys, *columns]] for stage in STAGES
    )
    merged = initial.merge(refined, on=keys, suffixes=tuple(f" {stage}" for stage in STAGES))
    numbers = merged.select_dtypes("number").columns
    return merged.assign(**{column: merged[column].map("{:.6g}".format) for column in numbers})


folder.mkdir(exist_ok=True)
keys = [*KEYS, "measured", "measured_error"]
write_table(folder / f"{name}.csv", of_stages("properties.csv", keys, ["value", "standard_error"]))
if campaign.teacher is not None:
    keys = ["role", "where", "quantity", "unit", "teacher"]
    found = of_stages("against_teacher.csv", keys, ["value", "standard_error"])
    write_table(folder / f"{name}_forces.csv", found)
history = load_history(results / "refinement" / last / "history.csv")
if len(history.of_role("parameter")):
    figure = parameters_figure(history)
else:
    fitted = campaign.objective.observables.chosen()["infrared"]
    initial, refined = (
        next(c for c in load_curves(results / "validation" / stage / "curves.npz") if c.name == "infrared")
        for stage in STAGES
    )
    reference = "synthetic" if fitted.synthetic else "measured"
    figure = spectrum_figure(
        {"initial": initial, "refined": refined}, [band.range for band in fitted.compared_bands], reference
    )
save_figure(folder / f"{name}.svg", figure)
