"""The building blocks of a page."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from dynrefine.report.figures import to_svg
from dynrefine.report.tables import Table


@dataclass(frozen=True)
class Picture:
    """A figure as an SVG element, with its caption."""

    svg: str
    caption: str
    kind: str = "picture"


@dataclass(frozen=True)
class Folded:
    """A table that is shown on demand."""

    title: str
    table: Table
    kind: str = "folded"


@dataclass(frozen=True)
class Chapter:
    """A part of the page: a title, some text, then figures and tables."""

    identifier: str
    title: str
    text: str
    blocks: Sequence[Picture | Table | Folded]


@dataclass(frozen=True)
class Tile:
    """A number at the head of the page, with its label and a note."""

    label: str
    value: str
    note: str


def picture(figure: Figure, caption: str) -> Picture:
    """A figure for the page; the caption also serves those who cannot see it."""
    return Picture(to_svg(figure, caption), caption)


def listed(parts: Sequence[str]) -> str:
    """Parts of a sentence as one: "a, b and c"."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
