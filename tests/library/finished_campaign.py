"""The files of a finished campaign, made up but like those that the jobs write."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from dynrefine.config import load_config
from dynrefine.config.model import Config
from dynrefine.config.steps import WriteReport
from dynrefine.files.arrays import write_passed_through
from dynrefine.files.curves import Curve, curve_of, save_curves
from dynrefine.files.history import (
    CONVERGED,
    EFFECTIVE_SAMPLE_SIZE,
    TIME_PER_STEP,
    Entry,
    begun,
    save_history,
)
from dynrefine.files.objectives import Evaluation, Objective, StateObjective, save_objective
from dynrefine.files.parity import Parity, save_parity
from dynrefine.report.results import Results, read_results

ROOT = Path(__file__).parents[2]
QUANTITIES = {
    "infrared": (("wavenumber", "cm⁻¹"), ("n(ν)α(ν)", "cm⁻¹")),
    "diffusion": (("temperature", "K"), ("self-diffusion", "1e-9 m²/s")),
    "diffusion: velocity autocorrelation": (("lag", "fs"), ("velocity autocorrelation", "relative")),
    "diffusion: running integral": (("upper limit of the integral", "fs"), ("self-diffusion", "1e-9 m²/s")),
    "rdf": (("distance", "Å"), ("g(r)", "1")),
}
STAGES = ("initial", "refined")
# family and role of the properties in the table of the validation
ROLES = {
    "infrared loss": ("infrared", "loss"),
    "diffusion loss": ("self-diffusion of O", "loss"),
    "temperature": ("temperature", "condition"),
    "energy drift": ("energy drift", "control"),
    "diffusion": ("self-diffusion of O", "value"),
    "diffusion: in the finite cell": ("self-diffusion of O", "value"),
    "rdf: first maximum": ("rdf", "value"),
}
Observed = tuple[dict[str, np.ndarray], float, float]  # columns of a curve, its loss and the error of that
SURFACES = ("potential", "dipole")
OF_SURFACE = {"learning_curves": "learning_curve", "errors": "errors", "parities": "parity"}
# centre (cm⁻¹), height (cm⁻¹) and width (cm⁻¹) of the bands of liquid water
MEASURED = [(180, 1900, 110), (600, 4500, 170), (1642, 3600, 55), (2126, 600, 150), (3390, 17400, 180)]
INITIAL = [(170, 1500, 120), (540, 4300, 200), (1660, 4300, 70), (2050, 500, 160), (3510, 14400, 210)]


@dataclass(frozen=True)
class FinishedCampaign:
    """A campaign whose potentials are as good as said, from 0 (poor) to 1 (as measured).

    Attributes:
        folder: where the files are.
        states: labels of the states.
        quality: of each iteration that was run, then of the refined potential.
        passed_through: iterations that were not run.
        spectrum: whether an infrared spectrum is fitted, or else the self-diffusion.
        quantum: whether path integrals were asked for.
    """

    folder: Path
    states: tuple[str, ...] = ("300K",)
    quality: tuple[float, ...] = (0.0, 0.25, 0.4, 0.5, 0.52, 0.55)
    passed_through: int = 0
    spectrum: bool = True
    quantum: bool = False

    @property
    def observable(self) -> str:
        """What is fitted."""
        return "infrared" if self.spectrum else "diffusion"

    @property
    def configuration(self) -> Config:
        """The default configuration with the observable and the states of this campaign."""
        settings = yaml.safe_load((ROOT / "config/config.yaml").read_text())
        (state,) = settings["states"]
        settings["states"] = [state | {"temperature": kelvin} for kelvin in self.temperatures.values()]
        infrared = settings["objective"]["observables"]["infrared"]
        infrared["targets"] = dict.fromkeys(self.states[1:], infrared["target"])
        settings["validation"]["properties"] = {}  # what judges stands in the files alone
        settings["optimiser"]["surfaces"] = {}  # the potential alone is refined
        if self.quantum:
            settings["validation"]["path_integrals"] = {"beads": 24, "length": 12.5}
        if not self.spectrum:
            diffusion = {"target": 2.43, "element": "O", "window": 390.0, "weight": 2.0}
            settings["objective"]["observables"] = {"diffusion": diffusion}
        return load_config(settings)

    @property
    def temperatures(self) -> dict[str, float]:
        """Of the states, by their labels."""
        return {state: float(state.removesuffix("K")) for state in self.states}

    def read(self) -> Results:
        """Write all files and read them as the script does."""
        self._write_refinement()
        for stage, quality in (("initial", self.quality[0]), ("refined", self.quality[-1])):
            self._write_validation(stage, quality)
        self._write_training()
        self._write_dataset()
        self._write_check()
        self._write_horizon()
        self._write_benchmarks()
        (self.folder / "target.csv").write_text(
            "# Measured: N. Obody & sons <nobody>,\n# doi:10.1000/1\nx,y\n1,2\n"
        )
        count = len(self.quality) - 1 + self.passed_through
        files = {
            "objectives": [self.folder / f"objective_{number}.npz" for number in range(count)],
            "targets": [self.folder / "target.csv"],
            "path_integrals": self._write_path_integrals() if self.quantum else [],
            "teacher": [],
            **{
                name: [self.folder / f"{stage}_{name}" for stage in STAGES]
                for name in ("properties", "errors", "curves")
            },
            **{
                name: self.folder / f"{name}.csv"
                for name in ("history", "frames", "summary", "gradient_check", "total_derivative", "horizon")
            },
            "own_frames": [self.folder / "dataset_dipole/frames.csv"],
            "covariance": [],
            "left_open": [],
            "sensitivities": [],
        }
        for kind, name in OF_SURFACE.items():
            files[f"surface_{kind}"] = [self.folder / f"{surface}_{name}" for surface in SURFACES]
        settings = WriteReport(
            configuration=self.configuration,
            surfaces=list(SURFACES),
            benchmarks=str(self.folder / "benchmarks"),
            logs=str(self.folder / "logs"),
        )
        return read_results(files, settings)

    def _write_refinement(self) -> None:
        history = begun()
        for number, quality in enumerate(self.quality[:-1]):
            states = {state: self._observe(quality, f"{number} {state}", noise=2.0) for state in self.states}
            history = history.extended(number, self._entries(number, quality, states))
            evaluated = {state: self._evaluated(*observed) for state, observed in states.items()}
            observables = self.configuration.objective.observables.chosen()
            weights = {name: settings.weight for name, settings in observables.items()}
            objective = Objective(evaluated, dict.fromkeys(evaluated, weights), QUANTITIES)
            save_objective(self.folder / f"objective_{number}.npz", objective)
        ran = len(self.quality) - 1
        for number in range(ran, ran + self.passed_through):
            write_passed_through(self.folder / f"objective_{number}.npz", "objective")
        save_history(self.folder / "history.csv", history)

    def _entries(self, number: int, quality: float, states: dict[str, Observed]) -> list[Entry]:
        """What the history tells of an iteration."""
        losses = [
            Entry("loss", self.observable, loss, error, state=state)
            for state, (_, loss, error) in states.items()
        ]
        total = 0.012 + sum(loss.value for loss in losses)
        error = float(np.linalg.norm([loss.standard_error for loss in losses]))
        return [
            Entry("objective", "objective", total, error),
            *losses,
            Entry("anchor", "anchor", 0.012 + 0.003 * quality),
            Entry("gradient", "whole", 2.0 - 1.5 * quality, 0.3),
            Entry("gradient", "trajectory", 1.9 - 1.5 * quality, 0.2),
            Entry("gradient", "ensemble", 0.5, 0.2),
            Entry("gradient", "anchor", 0.05 + quality / 4),
            Entry("control", EFFECTIVE_SAMPLE_SIZE, 1.0),
            *(
                Entry("condition", "temperature", kelvin + number - 2.0, 2.7, "K", state)
                for state, kelvin in self.temperatures.items()
            ),
            Entry("control", "energy drift", 0.021, unit="meV/atom"),
            Entry("control", TIME_PER_STEP, 6.42, unit="ms"),
            Entry("control", CONVERGED, 0.0),
        ]

    def _evaluated(self, curves: Mapping[str, np.ndarray], loss: float, error: float) -> StateObjective:
        """A state of an objective, without what the gradient needs of it."""
        nothing, name = np.zeros(1), self.observable
        prediction, uncertainty = curves["prediction"], curves["prediction_error"]
        evaluation = Evaluation(loss, error, prediction, uncertainty, nothing, nothing)
        abscissae, targets = {name: curves["abscissa"]}, {name: curves["target"]}
        return StateObjective(np.ones(1), nothing, nothing, abscissae, targets, {name: evaluation})

    def _observe(self, quality: float, seed: str, noise: float = 1.0) -> Observed:
        """Curves of the fitted observable, its loss and the error of that."""
        loss, error = 0.52 * (1.0 - quality) ** 0.5, 0.02 * noise
        if not self.spectrum:
            values = {
                "abscissa": 0.0,
                "target": 2.43,
                "prediction": 2.43 - 0.5 * (1 - quality),
                "prediction_error": 0.05,
            }
            return {name: np.array([value]) for name, value in values.items()}, loss, error
        x = np.arange(20.0, 4001.0, 20.0)
        pairs = zip(np.array(INITIAL), np.array(MEASURED), strict=True)
        target = sum(_band(x, *band) for band in MEASURED)
        prediction = sum(_band(x, *((1.0 - quality) * start + quality * end)) for start, end in pairs)
        spread = noise * (0.03 * prediction + 60.0)
        ripple = np.convolve(_random(seed).normal(size=len(x) + 8), np.ones(9) / 3.0, "valid")
        curves = {
            "abscissa": x,
            "target": target,
            "prediction": prediction + spread * ripple,
            "prediction_error": spread,
        }
        return curves, loss, error

    def _write_validation(self, stage: str, quality: float) -> None:
        properties, curves = [], []
        for state, kelvin in self.temperatures.items():
            columns, loss, error = self._observe(quality, f"{stage} {state}")
            measured = columns["abscissa"], columns["target"]
            predicted = columns["prediction"], columns["prediction_error"]
            curves.append(curve_of(self.observable, state, QUANTITIES[self.observable], measured, predicted))
            curves += _transport_and_structure(state, quality)
            for name, value, uncertainty, unit, measured, measured_error in (
                (f"{self.observable} loss", loss, error, "1", np.nan, np.nan),
                ("temperature", kelvin + 1.3, 2.1, "K", kelvin, 0.0),
                ("energy drift", 0.0213, 0.0012, "meV/atom", np.nan, np.nan),
                ("diffusion", 1.98 + 0.4 * quality, 0.061, "1e-9 m²/s", 2.299, 0.005),
                ("diffusion: in the finite cell", 1.52 + 0.4 * quality, 0.061, "1e-9 m²/s", np.nan, np.nan),
                ("rdf: first maximum", 3.21 - 0.3 * quality, 0.031, "1", 2.57, 0.05),
            ):
                family, role = ROLES[name]
                row = (name, family, role, state, value, uncertainty, unit, measured, measured_error)
                properties.append((*row, role == "loss"))
        columns = [
            "property",
            "family",
            "role",
            "state",
            "value",
            "standard_error",
            "unit",
            "measured",
            "measured_error",
            "fitted",
        ]
        pd.DataFrame(properties, columns=columns).to_csv(self.folder / f"{stage}_properties", index=False)
        errors = {
            "energy": (0.91, "meV/atom"),
            "force": (41.2, "meV/Å"),
            "force O": (52.3, "meV/Å"),
            "force H": (34.1, "meV/Å"),
        }
        pd.DataFrame(
            [(name, value * (1.0 + 0.062 * quality), unit) for name, (value, unit) in errors.items()],
            columns=["quantity", "value", "unit"],
        ).to_csv(self.folder / f"{stage}_errors", index=False)
        save_curves(self.folder / f"{stage}_curves", curves)

    def _write_path_integrals(self) -> list[Path]:
        """Quantum nuclei have a structure as that of a better potential, and more energy."""
        self._write_validation("quantum", 1.0)
        rows = [
            ("300K", name, "meV/atom", classical, error, classical + more, 0.4)
            for name, classical, error, more in (
                ("potential energy", -151.2, 0.3, 70.1),
                ("kinetic energy of H", 38.78, 0.0, 110.2),
            )
        ]
        columns = ["state", "energy", "unit", "classical", "classical_error", "quantum", "quantum_error"]
        pd.DataFrame(rows, columns=columns).to_csv(self.folder / "quantum_energies", index=False)
        return [self.folder / f"quantum_{name}" for name in ("properties", "curves", "energies")]

    def _write_training(self) -> None:
        random, parts = _random("training"), {"train": 90, "validation": 15, "test": 20}
        epochs = np.arange(20, 1001, 20)
        for surface, quantities, errors in (
            (
                "potential",
                {"energies": (0.02, 9e-4), "forces": (1.2, 0.04)},
                {"energy": "meV/atom", "force": "meV/Å"},
            ),
            ("dipole", {"dipoles": (0.6, 0.02)}, {"dipole": "e Å"}),
        ):
            decay = 3.0 * np.exp(-epochs / 70.0)
            curve = {"epoch": epochs}
            for part, floor in (("training", 0.01), ("validation", 0.018)):
                curve[f"{part}_loss"] = decay + floor * np.exp(0.1 * random.normal(size=len(epochs)))
            pd.DataFrame(curve).to_csv(self.folder / f"{surface}_learning_curve", index=False)
            rows = [
                (part, name, 0.9 + 0.1 * len(part), unit) for part in parts for name, unit in errors.items()
            ]
            pd.DataFrame(rows, columns=["part", "quantity", "value", "unit"]).to_csv(
                self.folder / f"{surface}_errors", index=False
            )
            parity: dict[str, list[Parity]] = {part: [] for part in parts}
            for part, frames in parts.items():
                for name, (spread, error) in quantities.items():
                    labelled = spread * random.normal(size=frames * (144 if name == "forces" else 1))
                    predicted = labelled + error * random.normal(size=len(labelled))
                    parity[part].append(Parity(name, "1", labelled, predicted))
            save_parity(self.folder / f"{surface}_parity", parity)

    def _write_dataset(self) -> None:
        random, count = _random("dataset"), 127
        split = np.repeat(["train", "test", "train", "validation", "train"], [40, 20, 30, 15, 22])
        reason = np.full(count, "", object)
        reason[[17, 93]], split[[17, 93]] = "a force above 20 eV/Å", "removed"
        verdict = np.where(reason == "", "kept", "removed")
        force = np.where(verdict == "kept", 3.0 + random.gamma(2.0, 0.5, count), 21.3)
        pd.DataFrame(
            {
                "frame": range(count),
                "largest_force": force,
                "energy": -156.1 + 0.01 * random.normal(size=count),
                "reason": reason,
                "verdict": verdict,
                "split": split,
            }
        ).to_csv(self.folder / "frames.csv", index=False)
        own = pd.DataFrame({"frame": range(12), "reason": "", "verdict": "kept"})
        own.loc[7, ["reason", "verdict"]] = "the geometry of an earlier frame", "removed"
        (self.folder / "dataset_dipole").mkdir(exist_ok=True)
        own.to_csv(self.folder / "dataset_dipole/frames.csv", index=False)
        summary = [("train", 92), ("validation", 15), ("test", 20)]
        columns = ["frames", "atoms", "energy", "energy_spread", "force", "density", "pressure", "dipoles"]
        pd.DataFrame(
            [
                (part, "300K", frames, 48, -156.123, 0.0101, 1.234, 0.997, 5432.1, frames)
                for part, frames in summary
            ],
            columns=["split", "series", *columns],
        ).to_csv(self.folder / "summary.csv", index=False)

    def _write_check(self) -> None:
        columns = ["comparison", "precision", "parameter", "adjoint", "reference", "relative_error", "cosine"]
        rows = [
            ("backpropagation", "float64", "all (2113)", 1.83412, 1.83412, 3.2e-11, 1.0),
            ("reversal", "float64", "Å", np.nan, np.nan, 2.1e-13, np.nan),
            ("backpropagation", "float32", "all (2113)", 1.83409, 1.83412, 4.1e-5, 0.99999999),
            ("reversal", "float32", "Å", np.nan, np.nan, 3.4e-6, np.nan),
            ("central difference", "float64", "number 1204", -0.21733, -0.21734, 2.3e-6, np.nan),
            ("central difference", "float64", "random direction", 0.03121, 0.03121, 5.7e-7, np.nan),
        ]
        check = pd.DataFrame(rows, columns=columns).assign(observable=self.observable)
        check.to_csv(self.folder / "gradient_check.csv", index=False)
        columns = ["gradient", "gradient_error", "difference", "difference_error", "standard_errors"]
        rows = [
            ("sigma", "1/Å", -1.294, 0.278, -1.139, 0.111, -0.52),
            ("epsilon", "1/eV", -24.9, 5.4, -29.5, 2.6, 0.77),
        ]
        total = pd.DataFrame(rows, columns=["parameter", "unit", *columns])
        total.insert(0, "observable", self.observable)
        total.to_csv(self.folder / "total_derivative.csv", index=False)

    def _write_horizon(self) -> None:
        depths = np.array([20.0, 40.0, 80.0, 160.0])
        table = pd.DataFrame(
            {
                "depth_fs": depths,
                "gradient_norm": 1.0 + 0.01 * depths,
                "gradient_norm_error": 0.2 * np.exp(depths / 60.0),
                "spread": 0.8 * np.exp(depths / 60.0),
                "signal_to_noise": [4.0, 3.0, 1.5, 0.4],
                "reversal_error_angstrom": 1e-6 * depths,
                "growth_rate_per_fs": 1.0 / 60.0,
                "chosen": depths == 80.0,
            }
        )
        table.to_csv(self.folder / "horizon.csv", index=False)

    def _write_benchmarks(self) -> None:
        costs = {
            "train_potential": (1, 410.0),
            "train_dipole": (1, 95.0),
            "sample_ensemble": (10, 61.0),
            "run_trajectories": (10, 22.0),
            "adjoint_gradient": (10, 84.0),
            "prepare_dataset": (1, 3.2),
        }
        header = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time"
        for rule, (jobs, seconds) in costs.items():
            for job in range(jobs):
                name = f"{rule}/{job:03d}" if jobs > 1 else rule
                path = self.folder / "benchmarks" / f"{name}.tsv"
                path.parent.mkdir(parents=True, exist_ok=True)
                memory = "-" if rule == "prepare_dataset" else 612.5 + job
                path.write_text(
                    f"{header}\n{seconds}\t0:01:00\t{memory}\t0\t0\t0\t0\t0\t98.0\t{0.98 * seconds}\n"
                )
                if rule == "adjoint_gradient":
                    self._write_performance(name, seconds, job)

    def _write_performance(self, name: str, seconds: float, job: int) -> None:
        """Of a job that compiles if it is the first, waits for Slurm and makes 200 steps in each other second."""
        compilation = 20.0 if job == 0 else 1.0
        path = self.folder / "logs" / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        measured = {
            "device": "gpu (H200)",
            "seconds": seconds,
            "compilation_seconds": compilation,
            "compiled": 12 if job == 0 else 0,
            "steps": round(200 * (seconds - compilation)),
            "queue_seconds": 3.0 * job,
        }
        path.write_text(json.dumps(measured))


def _band(x: np.ndarray, centre: float, height: float, width: float) -> np.ndarray:
    return height * np.exp(-0.5 * ((x - centre) / width) ** 2)


def _random(seed: str) -> np.random.Generator:
    return np.random.default_rng(list(seed.encode()))


def _transport_and_structure(state: str, quality: float) -> list[Curve]:
    lag = np.arange(0.0, 1001.0, 4.0)
    correlation = 1.5e-5 * np.exp(-lag / 60.0) * np.cos(lag / 45.0) / np.sqrt(1 + lag / 400.0)
    running = (1.52 + 0.4 * quality) * (1.0 - np.exp(-lag / 90.0) * np.cos(lag / 60.0))
    r = np.arange(0.05, 6.0, 0.1)
    in_cell, heights = 0.061 * np.sqrt(lag / 1000.0), np.full_like(r, 0.03)
    measured = np.where(r < 2.35, np.nan, _pair_distribution(r, 2.75))
    unknown, known = np.full_like(lag, np.nan), np.full_like(lag, 2.299)
    return [
        curve_of(name, state, QUANTITIES[name], *values)
        for name, *values in (
            (
                "diffusion: velocity autocorrelation",
                (lag, unknown),
                (correlation / correlation[0], np.full_like(lag, 0.02)),
            ),
            ("diffusion: running integral", (lag, known), (running, in_cell)),
            ("rdf", (r, measured), (_pair_distribution(r, 3.4 - 0.4 * quality), heights)),
        )
    ]


def _pair_distribution(r: np.ndarray, height: float) -> np.ndarray:
    """Nothing inside of 2.6 Å, a first maximum, then a shallow wave."""
    first = (height - 1.0) * np.exp(-0.5 * ((r - 2.8) / 0.14) ** 2)
    wave = 0.15 * np.cos(2.0 * (r - 4.5)) * (r > 3.0)
    return (1.0 + first + wave) / (1.0 + np.exp(-(r - 2.62) / 0.07))
