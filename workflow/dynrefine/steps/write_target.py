"""Synthetic targets."""

import numpy as np
import pandas as pd

from dynrefine.campaign.job import Job
from dynrefine.config.steps import WriteTarget
from dynrefine.files.curves import load_curves
from dynrefine.files.tables import write_table


def write_target(job: Job, settings: WriteTarget) -> None:
    """Write the teacher's values of a property at a state as the file of a measurement."""
    wanted = job.wildcards["property"], job.wildcards["state"]
    curve = next(
        curve for curve in load_curves(job.inputs.curves) if (curve.name, str(curve.state)) == wanted
    )
    abscissa, values, errors = (
        np.asarray(curve.columns[name], float) for name in ("abscissa", "prediction", "prediction_error")
    )
    exactness = 100.0 * np.sqrt(np.mean(errors**2) / np.mean(values**2))
    name, _ = wanted
    write_table(
        job.outputs.target,
        pd.DataFrame({curve.axes[0]: abscissa, curve.axes[1]: values, "standard error": errors}),
        f"{name}: synthetic, from the trajectories of the teacher, with a statistical error of {exactness:.2g} %.",
    )
