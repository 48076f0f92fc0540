"""Checks of potentials, the refined one and its teacher."""

import math
import re
from collections.abc import Iterator, Sequence

from ase.data import atomic_numbers

from dynrefine.config.base import sentence
from dynrefine.config.data import Element
from dynrefine.config.model import Config
from dynrefine.config.surfaces.base import SurfaceSettings
from dynrefine.config.surfaces.embedded_atoms import DescriptorSettings
from dynrefine.config.surfaces.flexible_water import FlexibleWaterSettings, waves_per_length
from dynrefine.config.surfaces.lennard_jones import LennardJonesPairs
from dynrefine.config.surfaces.nequix import NequixSettings
from dynrefine.datasets.isotopes import element_of
from dynrefine.geometry.cell import cubic_edge


def potentials(config: Config) -> Iterator[str]:
    """Errors in the potentials of a campaign."""
    for key, potential in config.potentials().items():
        yield from _unsuitable(key, potential, config)


def _unsuitable(key: str, potential: SurfaceSettings, config: Config) -> Iterator[str]:
    unsuitable_elements = list(_elements(key, potential, config.elements))
    yield from unsuitable_elements
    yield from _truncation(key, potential)
    yield from triple_products(key, potential)
    yield from _network(key, potential, config.elements)
    if not unsuitable_elements:
        yield from _lattice(key, potential, config)
        yield from _waves(key, potential, config)


def _elements(key: str, potential: SurfaceSettings, elements: Sequence[Element]) -> Iterator[str]:
    """Elements that a potential does not support."""
    if len(elements) > 1 and not potential.mixtures:
        yield sentence(
            f"elements lists {len(elements)} elements",
            f"one, since the {potential.kind} potential does not support mixtures",
            f"remove the others, or change {key}",
        )
    expected, found = potential.symbols, [element.symbol for element in elements]
    if expected is not None and sorted(found) != sorted(expected):
        yield sentence(
            f"elements lists {', '.join(found)}",
            f"{' and '.join(expected)}, since the {potential.kind} potential supports no others",
            f"change them, or {key}",
        )


def _lattice(key: str, potential: SurfaceSettings, config: Config) -> Iterator[str]:
    """Without frames sampling starts from a lattice of molecules, or of atoms of one element."""
    count = len(config.elements)
    if config.dataset is not None or count == 1 or potential.molecule is not None:
        return
    reason = f"since a lattice holds only one of {count} elements"
    if not config.potential.trained:
        yield sentence(
            f"{key}.kind is '{potential.kind}' where there is no section dataset",
            f"one with molecules to start the sampling from, {reason}",
            "change it",
        )
    elif potential is config.potential and not potential.is_trained:
        yield sentence("dataset is missing", f"one to start the sampling from, {reason}", "add it")


def triple_products(key: str, surface: SurfaceSettings) -> Iterator[str]:
    """Triple products without the tensors they are made of."""
    if not isinstance(surface, DescriptorSettings):
        return
    if surface.triple_products and surface.angular_momentum < 2:
        yield sentence(
            f"{key}.triple_products is {surface.triple_products}",
            f"0 where {key}.angular_momentum is {surface.angular_momentum}, since triple products need tensors",
            "set it to 0, or angular_momentum to 2",
        )


def _network(key: str, potential: SurfaceSettings, elements: Sequence[Element]) -> Iterator[str]:
    if not isinstance(potential, NequixSettings):
        return
    known = potential.known_elements
    if known is not None:
        unknown = [symbol for symbol in known if symbol not in atomic_numbers]
        missing = [element.symbol for element in elements if element_of(element.symbol) not in known]
        if unknown or missing:
            yield sentence(
                f"{key}.known_elements {'has' if unknown else 'lacks'} {', '.join(unknown or missing)}",
                "chemical symbols that include those of elements",
                "correct it",
            )
    kinds = re.findall(r"x(\d[eo])", potential.features)
    if len(set(kinds)) < len(kinds):
        yield sentence(
            f"{key}.features is '{potential.features}'", "each representation once", "add up their numbers"
        )


def _truncation(key: str, potential: SurfaceSettings) -> Iterator[str]:
    if not isinstance(potential, LennardJonesPairs):
        return
    if potential.tail_correction and "shifted" in potential.truncation:
        yield sentence(
            f"{key}.tail_correction is true where {key}.truncation is '{potential.truncation}'",
            "truncated or switched, which leave the energy within the cutoff as it is",
            "change one of them",
        )
    if potential.truncation == "switched" and potential.switching_width >= potential.cutoff:
        yield sentence(
            f"{key}.switching_width is {potential.switching_width:g} Å",
            f"less than {key}.cutoff, {potential.cutoff:g} Å",
            "lower it",
        )


def _waves(key: str, potential: SurfaceSettings, config: Config) -> Iterator[str]:
    """Too few waves in an Ewald sum: those left out must be as small as what the cutoff omits in real space."""
    if not isinstance(potential, FlexibleWaterSettings) or potential.electrostatics != "ewald":
        return
    if not potential.alpha:
        yield sentence(f"{key}.damping is 0", "a positive number with ewald", "change it or leave it out")
        return
    for place, state in config.states_by_key().items():
        if state.atoms is None:
            continue
        edge = cubic_edge(state.atoms * config.mean_mass(), state.density)
        needed = math.ceil(waves_per_length(potential.alpha, potential.cutoff) * edge)
        if min(potential.reciprocal_vectors) < needed:
            yield sentence(
                f"{key}.reciprocal_vectors is {potential.reciprocal_vectors}",
                f"{needed} or more for {place}, whose cell is {edge:.2f} Å wide",
                f"raise them, or lengthen {key}.cutoff",
            )
