"""Figures of the ab initio data and of what was trained on them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dynrefine.files.parity import Parity
from dynrefine.report.figures.style import FAINT, INK, PARTS, new_figure, styled

# Name, factor from the file's unit, and unit of quantities that are not drawn with their own name and unit.
_PARITY = {
    "energies": ("energy", 1e3, "meV/atom"),
    "forces": ("force", 1.0, "eV/Å"),
    "dipoles": ("dipole", 1.0, "e Å"),
    "polarizabilities": ("polarizability", 1.0, "Å³"),
}


@styled
def training_figure(curve: pd.DataFrame, parity: Mapping[str, Sequence[Parity]]) -> Figure:
    """Learning curve of a surface, and its predictions against the labels.

    Arguments:
        curve: epoch, training_loss, validation_loss.
        parity: labels and predictions of each quantity, by part; train and test are drawn.
    """
    figure = new_figure(2.8)
    learning, *panels = figure.subplots(1, 1 + len(parity["train"]))
    _draw_learning_curve(learning, curve)
    for axes, train, test in zip(panels, parity["train"], parity["test"], strict=True):
        _draw_parity(axes, train, test)
    return figure


@styled
def dataset_figure(frames: pd.DataFrame) -> Figure:
    """Energy per atom and largest force of every frame, coloured by the part it belongs to.

    Arguments:
        frames: in the order of the files: energy (eV/atom), largest_force (eV/Å), split (train, validation,
            test, removed).
    """
    figure = new_figure(3.8)
    energy, force = figure.subplots(2, 1, sharex=True)
    number = np.arange(len(frames))
    relative_energy = 1e3 * (frames.energy - frames.energy.median())
    for part, colour in PARTS.items():
        chosen = (frames["split"] == part).to_numpy()
        if not chosen.any():
            continue
        shape = "x" if part == "removed" else "o"
        marker: dict[str, Any] = {"color": colour, "s": 14, "marker": shape, "linewidths": 0.8}
        label = f"{part} ({chosen.sum()})"
        energy.scatter(number[chosen], relative_energy[chosen], label=label, **marker)
        force.scatter(number[chosen], frames.largest_force[chosen], **marker)
    energy.set_ylabel("energy − median\n(meV/atom)")
    force.set_ylabel("largest force (eV/Å)")
    force.set_xlabel("frame")
    force.set_ylim(bottom=0.0)
    figure.legend(loc="outside upper center", ncols=len(PARTS), markerscale=1.4)
    return figure


def _draw_learning_curve(axes: Axes, curve: pd.DataFrame) -> None:
    for part, label, loss in (
        ("train", "training", curve.training_loss),
        ("validation", "validation", curve.validation_loss),
    ):
        axes.plot(curve.epoch, loss, ".-", color=PARTS[part], label=label)
    best = curve.validation_loss.idxmin()
    axes.plot(curve.epoch[best], curve.validation_loss[best], "o", color=INK, markersize=4, label="kept")
    axes.set(xlabel="epoch", ylabel="loss", yscale="log")
    axes.legend()


def _draw_parity(axes: Axes, train: Parity, test: Parity) -> None:
    name, factor, unit = _PARITY.get(train.quantity, (train.quantity, 1.0, train.unit))
    pairs = {"train": factor * _labelled_and_predicted(train), "test": factor * _labelled_and_predicted(test)}
    # Energies differ by far less than their size, so they are drawn relative to their mean.
    is_energy = train.quantity == "energies"
    origin = np.mean(pairs["train"][0]) if is_energy else 0.0
    ends = [np.min(pairs["train"]) - origin, np.max(pairs["train"]) - origin]
    axes.plot(ends, ends, color=FAINT, linewidth=0.8)
    for part, (labelled, predicted) in pairs.items():
        error = np.sqrt(np.mean((predicted - labelled) ** 2))
        # Rasterised, since there are thousands of points.
        style: dict[str, Any] = {
            "s": 5,
            "color": PARTS[part],
            "alpha": 0.7,
            "linewidths": 0,
            "rasterized": True,
        }
        axes.scatter(labelled - origin, predicted - origin, label=f"{part} {error:.3g}", **style)
    relative = " − mean" if is_energy else ""
    axes.set(xlabel=f"ab initio {name}{relative} ({unit})", ylabel=f"predicted ({unit})")
    axes.set_aspect("equal", adjustable="datalim")
    small: dict[str, Any] = {"fontsize": 7.5, "title_fontsize": 7.5, "handletextpad": 0.0, "borderpad": 0.0}
    axes.legend(title=f"r.m.s. error ({unit})", alignment="left", loc="upper left", markerscale=2.0, **small)


def _labelled_and_predicted(parity: Parity) -> np.ndarray:
    """Pairs [2, values], without frames that lack this label."""
    pairs = np.stack([parity.labelled.ravel(), parity.predicted.ravel()])
    return pairs[:, np.all(np.isfinite(pairs), axis=0)]
