"""Frames from extended XYZ; faults of a file are reported with their line."""

import re
from collections.abc import Collection, Iterator, Mapping
from io import StringIO
from itertools import islice
from pathlib import Path
from typing import NoReturn

import numpy as np
from ase import Atoms
from ase.io.extxyz import key_val_dict_to_str, key_val_str_to_dict, read_xyz

from dynrefine.datasets.isotopes import atoms_of, element_of, symbol_of_label
from dynrefine.errors import CampaignError

_PLAIN = "species:S:1:pos:R:3"
_KEPT = r"(?:energy|free_energy|forces?|stress|virial|dipole|Lattice|Properties|pbc|source|label_\w+)"
_SIX = re.compile(r"(?<!\S)(stress|virial)=(\"[^\"]*\"|'[^']*'|\{[^}]*\}|\[[^\]]*\]|\S+)")
# a key and its value: in quotes or brackets, right after the sign, or after a space if no other key follows
_PAIR = re.compile(
    r"(?<!\S)[^\s=]+=(?:\s*(?P<quoted>\"(?:\\.|[^\"\\])*\"|'[^']*'|\{[^}]*\}|\[[^\]]*\])"
    r"|\s*(?![^\s=]+=)(?P<plain>[^\s\"'{\[]\S*)|(?=\s|$))"
)
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eEdD][-+]?\d+)?|[-+]?(nan|inf|infinity)", re.IGNORECASE)


def looks_like_xyz(path: Path) -> bool:
    """Whether a file is read as extended XYZ: by its name, or because it begins with a number of atoms."""
    if path.suffix.lower() in (".xyz", ".extxyz", ".exyz"):
        return True
    with open(path, "rb") as stream:
        return re.fullmatch(rb"\s*\d+\s*", stream.readline(64)) is not None


def read_extended_xyz(
    path: Path, elements: Collection[str] | None = None, named: Mapping[str, str] | None = None
) -> list[Atoms]:
    """All frames of a file, with labels as ASE reads them.

    Arguments:
        path: the file, in UTF-8 or any encoding that agrees with ASCII.
        elements: the symbols that may occur; they decide what labels such as CA stand for.
        named: symbols that the user has stated for labels.

    Raises:
        CampaignError: the file breaks the format; the line is named.
    """
    lines = _lines(path.read_bytes())
    return [_frame(path, lines, first, count, elements, named) for first, count in _places(path, lines)]


def first_frame(
    path: Path, elements: Collection[str] | None = None, named: Mapping[str, str] | None = None
) -> Atoms:
    """The first frame of a file; the rest is not read.

    Raises:
        CampaignError: the file breaks the format or holds no frame.
    """
    lines = _lines(_beginning(path))
    for first, count in _places(path, lines):
        return _frame(path, lines, first, count, elements, named)
    raise CampaignError(f"{path} holds no frames: expected at least one; give another file.")


def _beginning(path: Path) -> bytes:
    """The first frame of a file, or all of it where it does not begin with a number of atoms in ASCII."""
    with open(path, "rb") as stream:
        count = stream.readline()
        if count.strip().isdigit():
            return b"".join([count, *islice(stream, int(count) + 1)])
        return count + stream.read()


def _lines(content: bytes) -> list[str]:
    return [line.rstrip("\r") for line in _decoded(content).split("\n")]


def _decoded(content: bytes) -> str:
    """The text of a file; labels are ASCII in every encoding that remarks may use."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _places(path: Path, lines: list[str]) -> Iterator[tuple[int, int]]:
    """The index of the first line and the number of atoms of each frame."""
    place = 0
    while place < len(lines):
        if not lines[place].strip():
            place += 1
            continue
        try:
            count = int(lines[place])
        except ValueError:
            _refuse(
                path,
                place,
                f"holds '{_short(lines[place])}'",
                "the number of atoms of the next frame",
                "correct the number of atoms of the previous frame or remove the line",
            )
        held = len(lines) - place - 2
        if held < count or (held == count and count and not lines[-1].strip()):
            _refuse(
                path,
                place,
                f"begins a frame of {count} atoms of which {max(0, held - (not lines[-1].strip()))} follow",
                f"{count} rows",
                "the file is truncated: make or download it again",
            )
        yield place, count
        place += count + 2


def _frame(
    path: Path,
    lines: list[str],
    first: int,
    count: int,
    elements: Collection[str] | None,
    named: Mapping[str, str] | None,
) -> Atoms:
    comment = _without_empty_values(lines[first + 1]) if "=" in lines[first + 1] else ""
    _require_whole_values(path, first + 1, comment)
    comment, six = _without_six_numbers(comment)
    try:
        info = key_val_str_to_dict(comment) if comment else {}
    except ValueError as error:
        _refuse(path, first + 1, f"cannot be read ({error})", "key=value pairs", "correct it")
    properties = str(info.get("Properties", _PLAIN))
    _require_distinct_keys(path, first + 1, comment)
    columns = _columns(path, first + 1, properties)
    rows, symbols = [], []
    for index in range(first + 2, first + 2 + count):
        fields = lines[index].split()
        _require_row(path, index, fields, columns, exact="Properties" in info)
        fields = fields[: len(columns)]
        for place, kind in enumerate(columns):
            if kind == "species":
                symbols.append(_symbol(path, index, fields[place], elements, named))
                fields[place] = element_of(symbols[-1])
            elif kind == "R":
                fields[place] = fields[place].replace("D", "E").replace("d", "e")
        rows.append(" ".join(fields))
    text = "\n".join([str(count), comment or f"Properties={_PLAIN}", *rows, ""])
    try:
        (frame,) = read_xyz(StringIO(text), slice(None))
    except Exception as error:  # ASE's reader raises many kinds
        _refuse(
            path,
            first,
            f"begins a frame that cannot be read ({type(error).__name__}: {error})",
            "extended XYZ",
            "correct its second line",
        )
    if symbols and symbols != frame.get_chemical_symbols():
        frame.set_masses(atoms_of(symbols).get_masses())
    _drop_what_no_file_keeps(frame)
    frame.info |= six
    return frame


def _without_empty_values(comment: str) -> str:
    """The line without keys that have no value, since readers would take the next key for it."""
    kept, end = [], 0
    for found in _PAIR.finditer(comment):
        if not (found["quoted"] or found["plain"] or "").strip("\"'{}[] \t"):
            kept.append(comment[end : found.start()])
            end = found.end()
    return "".join([*kept, comment[end:]]).strip()


def _require_whole_values(path: Path, index: int, comment: str) -> None:
    """Refuse values that swallow the keys after them: an open quote, or a backslash at the end."""
    single = r"(?<!\\)(?:\\\\)*\\[\"']?\s+"  # a doubled backslash is a plain one and hides nothing
    swallowed = re.search(rf"{single}{_KEPT}=|{single}\w+=[^\"']*$", comment)
    if swallowed:
        key = re.findall(r"([^\s=]+)=", comment[: swallowed.start()])
        _refuse(
            path,
            index,
            f"has a value that ends in a backslash ({key[-1] if key else 'the first'})",
            "none, since it hides what follows",
            "remove the backslash",
        )
    try:
        values = key_val_str_to_dict(re.sub(_SIX, "", comment)) if comment else {}
    except ValueError as error:
        _refuse(path, index, f"cannot be read ({error})", "key=value pairs", "correct it")
    for key, value in values.items():
        if isinstance(value, str) and re.search(rf"(?:^|\s){_KEPT}=", value):
            _refuse(
                path,
                index,
                f"has the value '{_short(value)}' of {key}, which contains other keys",
                "quotes and brackets in pairs",
                "close the quote or the bracket",
            )


def _without_six_numbers(comment: str) -> tuple[str, dict[str, np.ndarray]]:
    """The line without stresses of six numbers, which ASE cannot read, and those stresses."""
    six = {}
    for key, text in _SIX.findall(comment):
        numbers = re.split(r"[\s,]+", text.strip("\"'{}[] "))
        if len(numbers) == 6 and all(map(_NUMBER.fullmatch, numbers)):
            six[key] = np.array(numbers, float)
    return _SIX.sub(lambda found: "" if found[1] in six else found[0], comment).strip(), six


def _require_distinct_keys(path: Path, index: int, comment: str) -> None:
    outside = re.sub(r"\"(?:\\.|[^\"\\])*\"|'[^']*'|\{[^}]*\}|\[[^\]]*\]", "", comment)
    keys = re.findall(r"(?<!\S)([^\s=]+)=", outside)
    for key in sorted({key for key in keys if keys.count(key) > 1}):
        _refuse(path, index, f"has {key} {keys.count(key)} times", "it once", "remove the others")


def _columns(path: Path, index: int, properties: str) -> list[str]:
    """What each column holds: species, or the kind of its values (S, R, I, L)."""
    fields = properties.split(":")
    names, kinds, widths = fields[::3], fields[1::3], fields[2::3]
    if len(fields) % 3 or not all(width.isdigit() for width in widths) or "pos" not in names:
        _refuse(
            path, index, f"has Properties={properties}", f"triples such as {_PLAIN}", "correct Properties"
        )
    return [
        "species" if name in ("species", "element", "symbols") else kind
        for name, kind, width in zip(names, kinds, widths, strict=True)
        for _ in range(int(width))
    ]


def _require_row(path: Path, index: int, fields: list[str], columns: list[str], *, exact: bool) -> None:
    if len(fields) < len(columns) or (exact and len(fields) > len(columns)):
        _refuse(
            path,
            index,
            f"has {len(fields)} columns",
            f"{len(columns)} as Properties says",
            "correct the row or Properties; the file may be truncated"
            if len(fields) < len(columns) and not any(fields[len(columns) :])
            else "correct the row or Properties",
        )
    for kind, text in zip(columns, fields, strict=False):
        if kind == "R" and not _NUMBER.fullmatch(text):
            _refuse(path, index, f"has '{_short(text)}'", "a number with a decimal point", "correct it")


def _symbol(
    path: Path,
    index: int,
    label: str,
    elements: Collection[str] | None,
    named: Mapping[str, str] | None,
) -> str:
    symbol = symbol_of_label(label, elements, named)
    if symbol is None:
        _refuse(
            path,
            index,
            f"names an atom '{label}'",
            f"a chemical symbol{' among ' + ', '.join(elements) if elements else ''}",
            f"state what it is in dataset.symbols, such as {{{label}: {label[0].upper()}}}",
        )
    return symbol


def _drop_what_no_file_keeps(frame: Atoms) -> None:
    """Remove remarks that, once written to a file, would spoil what follows them."""
    for key, value in list(frame.info.items()):
        empty = value is None or (np.size(value) == 0) or (isinstance(value, str) and not value.strip())
        if empty or not _survives(key, value):
            del frame.info[key]


def _survives(key: str, value: object) -> bool:
    try:
        found = key_val_str_to_dict(key_val_dict_to_str({key: value, "after": 1}))
    except (TypeError, ValueError, AttributeError):
        return False
    return list(found) == [key, "after"] and found["after"] == 1


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}..."


def _refuse(path: Path, index: int, found: str, expected: str, remedy: str) -> NoReturn:
    raise CampaignError(f"{path} could not be read: line {index + 1} {found}, expected {expected}; {remedy}.")
