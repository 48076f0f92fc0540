"""Random valid data sets in every layout and unit that is read give the same physics back."""

from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dynrefine.config import load_config
from dynrefine.config.data import DatasetSettings, FrameFile
from dynrefine.datasets.conventions import LABELS, ORDERS, VOIGT, Conventions
from dynrefine.datasets.conversion import factor
from dynrefine.datasets.isotopes import atoms_of, symbols_of
from dynrefine.datasets.reading import read_frames, with_labels
from dynrefine.datasets.writing import write_frames

UNITS = {
    "positions": ["angstrom", "nm", "bohr", "Å", "pm"],
    "energy": [
        "eV",
        "hartree",
        "Ry",
        "kJ/mol",
        "kcal/mol",
        "meV",
        "eV/atom",
        "hartree / atom",
        "kJ/mol/atom",
    ],
    "forces": [
        "eV/angstrom",
        "hartree/bohr",
        "-hartree/bohr",
        "kJ/mol/nm",
        "kcal/mol/Å",
        "Ry/bohr",
        "-eV/Å",
        "eV/nm",
    ],
    "stress": ["eV/angstrom^3", "GPa", "-GPa", "kbar", "-kbar", "bar", "hartree/bohr^3", "MPa", "atm"],
    "virial": ["eV", "-eV", "hartree", "kcal/mol"],
    "dipole": ["e angstrom", "debye", "e*bohr", "-e Å"],
}
CHARGES = {"O": -2, "H": 1, "D": 1, "C": 0, "Cl": -1}
NAMES = st.sampled_from(["energy", "E", "REF_energy", "dft"])
REMARKS = st.dictionaries(
    st.sampled_from(["note", "tag", "run", "weight"]),
    st.one_of(st.text("abc =\"'Å{}[]\\/,.", max_size=8), st.integers(-9, 9), st.just(""), st.booleans()),
    max_size=3,
)
TOLERANCE = {"rtol": 1e-9, "atol": 1e-11}


@st.composite
def data_sets(draw):
    """Frames of one composition in Å, eV and e, with some of the labels."""
    seed = draw(st.integers(0, 2**32 - 1))
    generator = np.random.default_rng(seed)
    symbols = draw(st.lists(st.sampled_from(sorted(CHARGES)), min_size=1, max_size=6))
    labels = draw(st.sets(st.sampled_from(["stress", "dipole"])))
    frames = []
    for index in range(draw(st.integers(1, 4))):
        cell = 6.0 * np.eye(3) + generator.uniform(-1.0, 1.0, (3, 3))
        frame = atoms_of(symbols, generator.uniform(0.0, 6.0, (len(symbols), 3)), cell=cell, pbc=True)
        frame.info["source"] = f"run_{index}"
        values = {
            "energy": generator.normal(-400.0, 100.0),
            "forces": generator.normal(size=(len(symbols), 3)),
        }
        if "stress" in labels:
            values["stress"] = generator.normal(0.0, 0.02, 6)
        if "dipole" in labels:
            values["dipole"] = generator.normal(0.0, 2.0, 3)
        frames.append(with_labels(frame, values))
    return frames


@st.composite
def conventions(draw):
    """Units, names and an order, as a configuration states them."""
    units = {name: draw(st.sampled_from(known)) for name, known in UNITS.items() if draw(st.booleans())}
    stated = {"units": units}
    for label in LABELS:
        if draw(st.booleans()):
            stated[f"{label}_key"] = f"my_{label}"
    if draw(st.booleans()):
        stated["stress_order"] = draw(st.sampled_from(sorted(ORDERS)))
    if draw(st.booleans()):
        stated["dipole"] = draw(st.sampled_from(["total", "wannier"]))
    return stated


def as_stated(frame, stated, *, virial):
    """The numbers of a frame in the units of a file, by label; lengths apart."""
    units = stated["units"]
    length = factor("positions", units.get("positions", "angstrom"))
    labels = dict(frame.calc.results)
    energy = units.get("energy", "eV")
    per_atom = len(frame) if energy.replace(" ", "").endswith("/atom") else 1
    labels["energy"] = labels["energy"] / per_atom / factor("energy", energy)
    labels["forces"] = labels["forces"] / factor("forces", units.get("forces", "eV/angstrom"))
    if "dipole" in labels:
        if stated.get("dipole") == "wannier":
            formal = np.array([CHARGES[symbol] for symbol in symbols_of(frame)]) @ frame.positions
            labels["dipole"] = (formal - labels["dipole"]) / 2.0
        labels["dipole"] = labels["dipole"] / factor("dipole", units.get("dipole", "e angstrom"))
    if "stress" in labels:
        tensor = frame.get_stress(voigt=False)
        del labels["stress"]
        if virial:
            labels["virial"] = -frame.get_volume() * tensor / factor("virial", units.get("virial", "eV"))
        else:
            labels["stress"] = tensor / factor("stress", units.get("stress", "eV/angstrom^3"))
    return frame.positions / length, frame.cell.array / length, labels


def same(found, expected, tolerance=TOLERANCE):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert symbols_of(one) == symbols_of(other)
        np.testing.assert_allclose(one.positions, other.positions, **tolerance)
        np.testing.assert_allclose(one.cell.array, other.cell.array, **tolerance)
        assert one.calc.results.keys() == other.calc.results.keys()
        for label, value in other.calc.results.items():
            np.testing.assert_allclose(one.calc.results[label], value, **tolerance, err_msg=label)


def stated_for(stated, path, of_file):
    """The conventions as the configuration gives them, stated for the file or for the whole data set."""
    file = FrameFile(path=str(path), **(stated if of_file else {}))
    dataset = DatasetSettings(files=[str(path)], **({} if of_file else stated))
    return Conventions(**dataset.conventions_of(file), charges=CHARGES)


def quoted(text):
    escaped = str(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def numbers(values):
    return " ".join(repr(float(value)) for value in np.ravel(values))


OFTEN = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@OFTEN
@given(
    frames=data_sets(),
    stated=conventions(),
    remarks=REMARKS,
    virial=st.booleans(),
    six=st.booleans(),
    of_file=st.booleans(),
    newline=st.sampled_from(["\n", "\r\n"]),
    end=st.booleans(),
)
def test_extended_xyz(tmp_path, frames, stated, remarks, virial, six, of_file, newline, end):
    lines = []
    for frame in frames:
        positions, cell, labels = as_stated(frame, stated, virial=virial)
        named = {
            label: stated.get(f"{label}_key", label)
            for label in ("energy", "forces", "stress", "virial", "dipole")
        }
        pairs = [
            f'Lattice="{numbers(cell)}"',
            f"Properties=species:S:1:pos:R:3:{named['forces']}:R:3",
            'pbc="T T T"',
        ]
        pairs += [f"source={frame.info['source']}", f"{named['energy']}={labels['energy']!r}"]
        for label in ("stress", "virial"):
            if label in labels:
                order = ORDERS[stated.get("stress_order", VOIGT)]
                values = [labels[label][place] for place in order] if six else labels[label]
                pairs.append(f'{named[label]}="{numbers(values)}"')
        if "dipole" in labels:
            pairs.append(f'{named["dipole"]}="{numbers(labels["dipole"])}"')
        pairs[2:2] = [f"{key}={quoted(value)}" for key, value in remarks.items()]
        lines += [str(len(frame)), " ".join(pairs)]
        for symbol, row, force in zip(symbols_of(frame), positions, labels["forces"], strict=True):
            lines.append(f"{symbol} {numbers(row)} {numbers(force)}")
    path = tmp_path / "mine.extxyz"
    path.write_bytes((newline.join(lines) + (newline if end else "")).encode())
    found = read_frames(path, stated_for(stated, path, of_file))
    same(found, frames)
    assert [frame.info["source"] for frame in found] == [frame.info["source"] for frame in frames]
    # and what is written of them for the campaign is read again, to the decimals that are kept
    write_frames(tmp_path / "again.extxyz", found)
    same(read_frames(tmp_path / "again.extxyz"), frames, {"rtol": 0.0, "atol": 1e-5})


@OFTEN
@given(
    frames=data_sets(),
    stated=conventions(),
    mixed=st.booleans(),
    parts=st.integers(1, 3),
    first=st.integers(0, 11),
    of_file=st.booleans(),
    kind=st.sampled_from([float, int]),
    order=st.permutations(sorted(CHARGES)),
)
def test_deepmd(tmp_path_factory, frames, stated, mixed, parts, first, of_file, kind, order):
    stated = {key: value for key, value in stated.items() if not key.endswith("_key")}
    folder = tmp_path_factory.mktemp("deepmd") / "system.000"
    folder.mkdir()
    kinds = np.array([order.index(symbol) for symbol in symbols_of(frames[0])])
    (folder / "type.raw").write_text("".join(f"{kind(each)}\n" for each in (0 * kinds if mixed else kinds)))
    (folder / "type_map.raw").write_text("\n".join(order))
    for number, share in enumerate(np.array_split(np.arange(len(frames)), min(parts, len(frames)))):
        part = folder / f"set.{first + number}"
        part.mkdir()
        rows = [as_stated(frames[index], stated, virial=True) for index in share]
        arrays = {"coord": [row[0].ravel() for row in rows], "box": [row[1].ravel() for row in rows]}
        for name, label in (
            ("energy", "energy"),
            ("force", "forces"),
            ("virial", "virial"),
            ("dipole", "dipole"),
        ):
            if label in rows[0][2]:
                arrays[name] = [np.ravel(row[2][label]) for row in rows]
        if mixed:
            arrays["real_atom_types"] = [kinds] * len(share)
        for name, values in arrays.items():
            np.save(part / f"{name}.npy", np.array(values))
    found = read_frames(folder, stated_for(stated, folder, of_file))
    same(found, frames)
    assert [frame.info["source"] for frame in found] == [
        f"system.000_{index}" for index in range(len(frames))
    ]


@OFTEN
@given(stated=conventions())
def test_what_is_stated_is_a_valid_configuration(stated):
    example = Path(__file__).parents[1] / "config/toy.yaml"
    config = load_config(example)
    values = config.model_dump(exclude_unset=True) | {"dataset": {"files": ["mine.extxyz"], **stated}}
    assert load_config(values).dataset.units.energy == stated["units"].get("energy")
