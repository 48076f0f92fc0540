"""What no single key can tell: settings that do not suit each other, missing files, cells too small."""

import math
import os
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from ase.data import atomic_masses, atomic_numbers
from ase.symbols import string2symbols

from dynrefine.config.data import DatasetSettings
from dynrefine.config.dynamics import SharedSampling
from dynrefine.config.model import Config
from dynrefine.config.properties import (
    FINEST_BIN,
    AtConstantPressure,
    Bands,
    EinsteinDiffusionSettings,
    PressureSettings,
    PropertySettings,
    RadialDistributionSettings,
    StructureFactorSettings,
    VaporisationEnthalpySettings,
    VibrationsSettings,
)
from dynrefine.config.surfaces import DescriptorSettings, LennardJonesSettings
from dynrefine.datasets.conversion import factor, known_units
from dynrefine.datasets.isotopes import ISOTOPES, is_symbol
from dynrefine.units import WAVENUMBER

LARGEST_DENSITY = 30.0  # g/cm³
LARGEST_BAND = 0.7  # of the highest wavenumber that the sampling interval resolves


def unsuitable_values(config: Config) -> Iterator[str]:
    """A sentence for each pair of settings that cannot both hold."""
    return chain(
        _surfaces(config),
        _data(config),
        _labels(config),
        _learning_rates(config),
        _states(config),
        _times(config),
        _error_bars("ensemble", config.ensemble),
        _error_bars("validation", config.validation),
        _followed(config),
        _slopes(config),
        _windows(config),
        _judges(config),
        _named_elements(config),
        _spectra(config),
        _structure(config),
        _constant_pressure(config),
    )


def unusable_results(config: Config) -> Iterator[str]:
    """A sentence where the folder of the results can be neither made nor written to."""
    folder = Path("results", config.campaign.name)
    for path in (folder, *folder.parents):
        if path.is_symlink() and not path.exists():
            yield _sentence(
                f"{path} is a link to {path.readlink()}, which does not exist",
                "a folder for the results",
                "make that folder or remove the link",
            )
            return
    present = next(path for path in (folder, *folder.parents) if path.exists())
    if not present.is_dir():
        yield _sentence(f"{present} is a file", "a folder for the results", "rename or remove the file")
    elif not os.access(present, os.W_OK):
        yield _sentence(f"{present} cannot be written to", "write permission", "change its permissions")


def _sentence(found: str, expected: str, remedy: str) -> str:
    return f"{found}, expected {expected}: {remedy}."


def _surfaces(config: Config) -> Iterator[str]:
    if not config.objective.observables.chosen():
        yield _sentence(
            "objective.observables is empty",
            "at least one measured property to refine against",
            "add one, such as infrared or diffusion",
        )
    kind, trained = config.potential.kind, config.potential.trained
    if trained and config.dataset is None:
        yield _sentence("dataset is missing", f"one to train the {kind} potential on", "add it")
    if not trained and config.dataset is not None:
        yield _sentence("dataset is given", f"none, since the {kind} potential is not trained", "remove it")
    by_parameter = {
        "optimiser.parameter_scales": config.optimiser.parameter_scales,
        "gradient.check.total_derivative": config.gradient.check.total_derivative,
    }
    for key, values in by_parameter.items():
        for name in sorted(set(values) - set(config.potential.parameters)):
            known = ", ".join(config.potential.parameters) or "none, since they have no names"
            yield _sentence(
                f"{key}.{name} is given",
                f"parameters of the {kind} potential: {known}",
                "rename or remove it",
            )
    if len(config.elements) > 1 and not config.potential.mixtures:
        yield _sentence(
            f"elements lists {len(config.elements)} elements",
            f"one, since the {kind} potential knows no mixtures",
            "remove the others",
        )
    if isinstance(config.potential, LennardJonesSettings):
        yield from _truncation(config.potential)
    others = {"dipole": config.dipole} | {
        f"surfaces[{index}].surface": each.surface for index, each in enumerate(config.surfaces)
    }
    for key, surface in ({"potential": config.potential} | others).items():
        if (
            isinstance(surface, DescriptorSettings)
            and surface.triple_products
            and surface.angular_momentum < 2
        ):
            yield _sentence(
                f"{key}.triple_products is {surface.triple_products}",
                f"0 where {key}.angular_momentum is {surface.angular_momentum}, since they need tensors",
                "set it to 0, or angular_momentum to 2",
            )
    if config.dataset is None:
        yield from _without_frames(config)


def _without_frames(config: Config) -> Iterator[str]:
    if config.optimiser.name == "natural":
        yield _sentence(
            "optimiser.name is 'natural'",
            "adam or sgd, since there are no ab initio frames to measure a step by",
            "change it",
        )
    for key, settings, _ in properties_by_key(config):
        for surface in settings.surfaces:
            if config.trained_surfaces()[surface].dataset is None:
                yield _sentence(
                    f"{key} is given",
                    f"no observable of a {surface} surface, which is trained on a data set",
                    "remove it",
                )


def _truncation(potential: LennardJonesSettings) -> Iterator[str]:
    if potential.tail_correction and "shifted" in potential.truncation:
        yield _sentence(
            f"potential.tail_correction is true where potential.truncation is '{potential.truncation}'",
            "truncated or switched, which leave the energy within the cutoff as it is",
            "change one of them",
        )
    if potential.truncation == "switched" and potential.switching_width >= potential.cutoff:
        yield _sentence(
            f"potential.switching_width is {potential.switching_width:g} Å",
            f"less than potential.cutoff, {potential.cutoff:g} Å",
            "lower it",
        )


def _data(config: Config) -> Iterator[str]:
    symbols = [element.symbol for element in config.elements]
    for symbol in sorted({symbol for symbol in symbols if symbols.count(symbol) > 1}):
        yield _sentence(
            f"elements lists {symbol} {symbols.count(symbol)} times", "it once", "remove the others"
        )
    for index, element in enumerate(config.elements):
        known = _masses_of(element.symbol)
        if known is None:
            yield _sentence(
                f"elements[{index}].symbol is '{element.symbol}'", "a chemical symbol", "correct it"
            )
        elif not known[0] <= element.mass <= known[1]:
            yield _sentence(
                f"elements[{index}].mass is {element.mass:g} u where its symbol is {element.symbol}",
                f"{known[0]:.4g} to {known[1]:.4g} u, of its isotopes",
                "correct it, or give heavier masses for the sampling in ensemble.masses",
            )
    for key, dataset in config.datasets().items():
        yield from _frames(key, dataset)
        if not dataset.files and (dataset is not config.dataset or config.labelling.geometries is None):
            remedy = "name one" + (
                ", or geometries to label in labelling.geometries" if dataset is config.dataset else ""
            )
            yield _sentence(f"{key}.files is empty", "a file", remedy)


def _frames(place: str, dataset: DatasetSettings) -> Iterator[str]:
    """What is said of the files of a data set and of its parts."""
    total = sum(dict(dataset.fractions).values())
    if not math.isclose(total, 1.0, abs_tol=1e-6):
        yield _sentence(f"{place}.fractions add up to {total:g}", "1", "change train, validation or test")
    for index, file in enumerate(dataset.files):
        key = f"{place}.files[{index}]"
        if not file.path:
            yield _sentence(f"{key} is empty", "a path or a url", "give one of them")
        elif file.url is not None and not file.path.startswith("resources/"):
            yield _sentence(f"{key}.path is '{file.path}'", "a path in resources/", "leave it out")
        elif file.url is not None and file.sha256 is None:
            yield _sentence(
                f"{key}.sha256 is missing", "the checksum of the download", "add what sha256sum says"
            )


def _masses_of(symbol: str) -> tuple[float, float] | None:
    """The masses that isotopes of an element have, u; nothing of what is no element."""
    if not is_symbol(symbol):
        return None
    if symbol in ISOTOPES:
        mass = ISOTOPES[symbol][1]
        return mass - 0.02, mass + 0.02
    number = atomic_numbers[symbol]
    if number == 1:
        return 1.0, 3.02
    mass = float(atomic_masses[number])
    # stable isotopes of light elements lie up to two mass units from the mean, those of heavy ones within 5 %
    spread = max(2.1, 0.05 * mass)
    return mass - spread, mass + spread


def _labels(config: Config) -> Iterator[str]:
    """What is stated of the labels of frames: units and symbols that exist, files that are told apart."""
    for key, dataset in config.datasets().items():
        stated = {key: dataset} | {f"{key}.files[{index}]": file for index, file in enumerate(dataset.files)}
        for place, section in stated.items():
            for quantity, unit in section.units:
                if unit is not None and not _is_unit(quantity, unit):
                    yield _sentence(
                        f"{place}.units.{quantity} is '{unit}'",
                        f"a unit such as {known_units(quantity)}",
                        "correct it",
                    )
            if section.atoms is not None and not _is_formula(section.atoms):
                yield _sentence(
                    f"{place}.atoms is '{section.atoms}'", "a formula such as O64H128", "correct it"
                )
            for label, symbol in section.symbols.items():
                if not is_symbol(symbol):
                    yield _sentence(
                        f"{place}.symbols.{label} is '{symbol}'", "a chemical symbol", "correct it"
                    )
        yield from _files_listed_twice(key, [file.path for file in dataset.files])


def _is_formula(text: str) -> bool:
    try:
        return all(map(is_symbol, string2symbols(text)))
    except ValueError:
        return False


def _files_listed_twice(key: str, paths: list[str]) -> Iterator[str]:
    seen: dict[str, int] = {}
    for index, path in enumerate(paths):
        place = os.path.normpath(path)
        if path and place in seen:
            yield _sentence(
                f"{key}.files[{index}].path is '{path}' as that of {key}.files[{seen[place]}]",
                "each file once",
                "change or remove it",
            )
        seen.setdefault(place, index)


def _is_unit(quantity: str, unit: str) -> bool:
    try:
        return factor(quantity, unit) != 0.0
    except ValueError:
        return False


def _learning_rates(config: Config) -> Iterator[str]:
    for section in ("training", "dipole_training"):
        rates = getattr(config, section)
        if rates.final_learning_rate > rates.learning_rate:
            yield _sentence(
                f"{section}.final_learning_rate is {rates.final_learning_rate:g}",
                f"at most {section}.learning_rate, {rates.learning_rate:g}",
                "lower it",
            )


def _states(config: Config) -> Iterator[str]:
    if len(config.states_by_label()) < len(config.states):
        yield _sentence(
            "states lists the same temperature and density more than once",
            "states that differ by a kelvin or in density",
            "remove or change one",
        )
    several = len({state.short_label for state in config.states}) > 1
    labels = config.states_by_label()
    for key, settings, _ in properties_by_key(config):
        own = settings.own_targets
        for name in own:
            if name not in labels and name not in {state.short_label for state in config.states}:
                yield _sentence(
                    f"{key}.targets.{name} is given",
                    f"the name of a state: {', '.join(labels)}",
                    "correct it",
                )
        shared = [
            label for label, state in labels.items() if label not in own and state.short_label not in own
        ]
        if several and settings.target_files and len(shared) > 1:
            yield _sentence(
                f"{key}.target is one measurement, {settings.target_files[0]}, for the states {', '.join(shared)}",
                "a measurement of each temperature",
                f"give those of all states but one in {key}.targets, such as {{{shared[-1]}: file}}",
            )
    for index, state in enumerate(config.states):
        if state.density > LARGEST_DENSITY:
            yield _sentence(
                f"states[{index}].density is {state.density:g} g/cm³",
                f"at most {LARGEST_DENSITY:g}, since nothing is denser than osmium",
                f"give it in g/cm³ (of {state.density:g} kg/m³: {state.density / 1000:g})",
            )
        if state.atoms is None and config.dataset is None:
            yield _sentence(
                f"states[{index}].atoms is missing", "how many atoms there are without a data set", "add it"
            )
        if state.atoms is not None and config.dataset is not None:
            yield _sentence(
                f"states[{index}].atoms is {state.atoms}",
                "none, since the data set's frames have their own",
                "remove it, or change the supercell",
            )


def _times(config: Config) -> Iterator[str]:
    trajectory, validation, gradient = config.trajectory, config.validation, config.gradient
    step = ("trajectory.timestep", trajectory.timestep)
    interval = ("trajectory.sampling_interval", trajectory.sampling_interval)
    for key, time, (unit_key, unit) in (
        (*interval, step),
        ("trajectory.length", trajectory.length, interval),
        ("validation.length", validation.length, interval),
        *([("gradient.depth", gradient.depth, step)] if gradient.depth != "auto" else []),
    ):
        multiple = round(time / unit)
        if multiple < 1 or not math.isclose(time, multiple * unit, rel_tol=1e-9):
            yield _sentence(
                f"{key} is {time:g} fs", f"a multiple of {unit_key}, {unit:g} fs", "change one of them"
            )
    if gradient.depth != "auto" and gradient.depth > trajectory.length:
        yield _sentence(
            f"gradient.depth is {gradient.depth:g} fs",
            f"at most trajectory.length, {trajectory.length:g} fs",
            "lower the depth or lengthen the trajectories",
        )
    chosen = config.objective.observables.chosen().values()
    if gradient.depth == "auto" and not any(settings.along for settings in chosen):
        yield _sentence(
            "gradient.depth is 'auto'",
            "a number of fs, since no observable is followed along the trajectories",
            "change it, any depth will do",
        )
    if gradient.depth == "auto" and gradient.horizon.shortest > trajectory.length:
        yield _sentence(
            f"gradient.horizon.shortest is {gradient.horizon.shortest:g} fs",
            f"at most trajectory.length, {trajectory.length:g} fs",
            "lower it or lengthen the trajectories",
        )
    lowest, highest = trajectory.temperature_bounds
    if not lowest < 1.0 < highest:
        yield _sentence(
            f"trajectory.temperature_bounds is [{lowest:g}, {highest:g}]",
            "one number below 1 and one above",
            "widen the bounds",
        )


def _error_bars(key: str, sampling: SharedSampling) -> Iterator[str]:
    if sampling.chunks * sampling.replicas < 2:
        yield _sentence(
            f"{key} has one chunk of one replica",
            "two or more in all for error bars",
            f"raise {key}.replicas",
        )


def _slopes(config: Config) -> Iterator[str]:
    """The slope of a displacement is that of the longest lags, which a shallow gradient would see in part."""
    gradient, step = config.gradient, config.trajectory.timestep
    for name, settings in config.objective.observables.chosen().items():
        if not isinstance(settings, EinsteinDiffusionSettings):
            continue
        least = 0.5 * settings.window
        if gradient.depth == "auto" or gradient.depth < least:
            yield _sentence(
                f"gradient.depth is {gradient.depth if gradient.depth == 'auto' else f'{gradient.depth:g} fs'}",
                f"at least {least:g} fs, half of objective.observables.{name}.window",
                "change one of them, or fit diffusion, by Green-Kubo",
            )
        if gradient.check.steps * step < least:
            yield _sentence(
                f"gradient.check.steps is {gradient.check.steps}",
                f"at least {math.ceil(least / step)}, half of objective.observables.{name}.window",
                "change one of them",
            )


def _followed(config: Config) -> Iterator[str]:
    points = config.ensemble.replicas * config.ensemble.samples_per_replica
    if config.gradient.replicas is not None and config.gradient.replicas > points:
        yield _sentence(
            f"gradient.replicas is {config.gradient.replicas}",
            f"at most the {points} starting points of a chunk",
            "lower it or raise ensemble.replicas",
        )
    trajectory, steps = config.trajectory, config.gradient.check.steps
    fewest = round(2.0 * trajectory.sampling_interval / trajectory.timestep)
    observed = any(settings.along for settings in config.objective.observables.chosen().values())
    if observed and steps < fewest:
        yield _sentence(
            f"gradient.check.steps is {steps}",
            f"at least {fewest}, two sampling intervals, since no force acts before the first frame",
            "raise it",
        )


def properties_by_key(config: Config) -> Iterator[tuple[str, PropertySettings, tuple[str, float]]]:
    """The key of each property, fitted or judging, its settings, and the length of its trajectories with its key."""
    refinement = ("trajectory.length", config.trajectory.length)
    for name, settings in config.objective.observables.chosen().items():
        yield f"objective.observables.{name}", settings, refinement
    for name, settings in config.validation.properties.chosen().items():
        yield f"validation.properties.{name}", settings, ("validation.length", config.validation.length)


def _judges(config: Config) -> Iterator[str]:
    fitted, judging = config.objective.observables.chosen(), config.validation.properties.chosen()
    for name in sorted(set(fitted) & set(judging)):
        yield _sentence(
            f"validation.properties.{name} is given",
            "a property that is not fitted, since those are judged anyway",
            f"remove it, or give it a name of its own and kind: {judging[name].kind or name}",
        )
    for name, settings in fitted.items():
        if not settings.is_measured:
            yield _sentence(
                f"objective.observables.{name}.target is missing",
                "a measurement to fit",
                "add it, or move the property to validation.properties",
            )


def _constant_pressure(config: Config) -> Iterator[str]:
    """Pressures are given where they are held; density and pressure are compared where they are not."""
    isobaric, kind = config.ensemble.kind == "isobaric", config.ensemble.kind
    for index, state in enumerate(config.states):
        if isobaric and state.pressure is None:
            yield _sentence(
                f"states[{index}].pressure is missing",
                "one, since ensemble.kind is isobaric",
                "add it, in bar",
            )
        elif kind == "canonical" and state.pressure is not None:
            yield _sentence(
                f"states[{index}].pressure is {state.pressure:g} bar where ensemble.kind is canonical",
                "none, since the density is held",
                "remove it or set ensemble.kind: isobaric",
            )
    for key, settings, _ in properties_by_key(config):
        if isinstance(settings, AtConstantPressure) and kind == "canonical":
            yield _sentence(
                f"{key} is given where ensemble.kind is canonical",
                "isobaric, since the density is held otherwise",
                "set ensemble.kind: isobaric, or compare the pressure",
            )
        elif isinstance(settings, PressureSettings) and isobaric:
            yield _sentence(
                f"{key} is given where ensemble.kind is isobaric",
                "canonical, since the pressure is held otherwise",
                "set ensemble.kind: canonical, or compare the density",
            )


def _windows(config: Config) -> Iterator[str]:
    interval = config.trajectory.sampling_interval
    windows = {key: getattr(settings, "window", None) for key, settings, _ in properties_by_key(config)}
    for key, window in windows.items():
        if window is not None and window < interval:
            yield _sentence(
                f"{key}.window is {window:g} fs",
                f"at least trajectory.sampling_interval, {interval:g} fs",
                "lengthen the window or record more often",
            )
    for key, settings, (length_key, length) in properties_by_key(config):
        window = getattr(settings, "window", 0.0)
        missing = 2 * interval if settings.whole_window else 0.0  # the series hold no lag beyond
        if window > 2 * length - missing:
            yield _sentence(
                f"{key}.window is {window:g} fs",
                f"at most twice {length_key}{' less two sampling intervals' if missing else ''}, "
                f"{2 * length - missing:g} fs",
                "shorten the window or lengthen the trajectories",
            )
        limit = getattr(settings, "limit", "auto")
        if limit != "auto" and not interval <= limit <= window:
            yield _sentence(
                f"{key}.limit is {limit:g} fs",
                f"auto, or at least trajectory.sampling_interval, {interval:g} fs, and at most {key}.window, "
                f"{window:g} fs",
                "change it or the window",
            )


def _named_elements(config: Config) -> Iterator[str]:
    symbols = [element.symbol for element in config.elements]
    for symbol in sorted(set(config.ensemble.masses) - set(symbols)):
        yield _sentence(
            f"ensemble.masses.{symbol} is given", f"elements: {', '.join(symbols)}", "remove or correct it"
        )
    for key, settings, _ in properties_by_key(config):
        if isinstance(settings, VaporisationEnthalpySettings) and len(symbols) > 1:
            yield _sentence(
                f"{key} is given where elements lists {len(symbols)} elements",
                "one, since the vapour is taken for one of single atoms",
                "remove it",
            )
        for symbol in settings.elements:
            if symbol not in symbols:
                yield _sentence(
                    f"{key} names the element '{symbol}'", f"one of {', '.join(symbols)}", "correct it"
                )


def _spectra(config: Config) -> Iterator[str]:
    interval = config.trajectory.sampling_interval
    highest = LARGEST_BAND * math.pi / (interval * WAVENUMBER)
    for key, settings, _ in properties_by_key(config):
        if isinstance(settings, VibrationsSettings) and settings.range[1] > highest:
            yield _sentence(
                f"{key}.range is [{settings.range[0]:g}, {settings.range[1]:g}] cm⁻¹",
                f"an end of at most {highest:.0f} cm⁻¹ with trajectory.sampling_interval {interval:g} fs",
                "record more often or end it earlier",
            )
        if not isinstance(settings, Bands):
            continue
        for index, band in enumerate(settings.bands):
            first, last = band.range
            found = f"{key}.bands[{index}].range is [{first:g}, {last:g}] cm⁻¹"
            if first >= last:
                yield _sentence(found, "the lower wavenumber first", "exchange them")
            elif math.floor(last / settings.resolution + 1e-9) < max(
                1, math.ceil(first / settings.resolution - 1e-9)
            ):
                yield _sentence(
                    found,
                    f"one of the wavenumbers that are compared, multiples of {key}.resolution, "
                    f"{settings.resolution:g} cm⁻¹, in it",
                    "widen the band or lower the resolution",
                )
            if last > highest:
                yield _sentence(
                    found,
                    f"an end of at most {highest:.0f} cm⁻¹ with trajectory.sampling_interval {interval:g} fs",
                    "record more often or end the band earlier",
                )


def _structure(config: Config) -> Iterator[str]:
    for key, settings, _ in properties_by_key(config):
        if isinstance(settings, RadialDistributionSettings):
            if settings.bin > settings.longest:
                yield _sentence(
                    f"{key}.bin is {settings.bin:g} Å",
                    f"at most {key}.longest, {settings.longest:g} Å",
                    "lower it",
                )
            bins = round(settings.bin / FINEST_BIN)
            if bins < 1 or not math.isclose(bins * FINEST_BIN, settings.bin, rel_tol=1e-6):
                yield _sentence(
                    f"{key}.bin is {settings.bin:g} Å", f"a multiple of {FINEST_BIN:g} Å", "change it"
                )
        own = isinstance(settings, RadialDistributionSettings | StructureFactorSettings | VibrationsSettings)
        if own and settings.range is not None and settings.range[0] >= settings.range[1]:
            yield _sentence(
                f"{key}.range is [{settings.range[0]:g}, {settings.range[1]:g}]",
                "the lower end first",
                "exchange them",
            )
