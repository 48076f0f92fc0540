"""Extended XYZ and DeePMD folders as people and programs write them: read right, or refused in one sentence."""

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule

from dynrefine.datasets.arrays import from_arrays, to_arrays
from dynrefine.datasets.checking import check_frames
from dynrefine.datasets.conventions import Conventions
from dynrefine.datasets.deepmd import files_of
from dynrefine.datasets.isotopes import symbols_of
from dynrefine.datasets.reading import read_frames, with_labels
from dynrefine.datasets.splitting import summary
from dynrefine.datasets.writing import write_frames
from dynrefine.errors import CampaignError
from dynrefine.units import BOHR

SHIPPED = Path(__file__).parents[2] / "workflow/data/water16/frames.extxyz"
WATER = read_frames(SHIPPED)[:20]
ELEMENTS = ["O", "H"]


@pytest.fixture
def path(tmp_path):
    write_frames(tmp_path / "mine.extxyz", WATER[:2])
    return tmp_path / "mine.extxyz"


def sentence_of(path, **options):
    with pytest.raises(CampaignError) as refusal:
        read_frames(path, **options)
    return str(refusal.value).replace(str(path), path.name)


def same_labels(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.get_chemical_symbols() == other.get_chemical_symbols()
        np.testing.assert_allclose(one.positions, other.positions, atol=1e-6)
        np.testing.assert_allclose(one.cell.array, other.cell.array, atol=1e-6)
        assert one.calc.results.keys() == other.calc.results.keys()
        for label, value in other.calc.results.items():
            np.testing.assert_allclose(one.calc.results[label], value, rtol=1e-5, atol=1e-8, err_msg=label)


@pytest.mark.parametrize(
    "remark",
    [
        'config_type=""',
        "config_type=",
        "config_type= ",
        "config_type=''",
        "tags=[]",
        "tags={}",
        'note="  "',
        'note="Å, 25 °C"',
        'note="x= 3"',
        'command="mpirun -n 4 cp2k.psmp"',
        r'note="say \"hello\" twice"',
        'weights="1 2 3"',
        "converged",
        r"folder=C:\data\run",
    ],
)
@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_remarks_of_any_kind_leave_the_labels_alone_in_every_file(tmp_path, path, remark, place):
    text = path.read_text(encoding="utf-8")
    where = {"first": ("Lattice=", "{} Lattice="), "middle": ("pbc=", "{} pbc=")}
    if place == "last":
        lines = [f"{line} {remark}" if "Lattice" in line else line for line in text.split("\n")]
        path.write_text("\n".join(lines), encoding="utf-8")
    else:
        old, new = where[place]
        path.write_text(text.replace(old, new.format(remark)), encoding="utf-8")
    frames = read_frames(path)
    same_labels(frames, WATER[:2])
    write_frames(tmp_path / "again.extxyz", frames)
    same_labels(read_frames(tmp_path / "again.extxyz"), WATER[:2])


@pytest.mark.parametrize(
    "remark", ["folder=C:\\data\\", 'folder="C:\\data\\"', 'note="an open quote', "note={an open bracket"]
)
def test_values_that_swallow_others_are_refused(path, remark):
    path.write_text(path.read_text().replace("pbc=", f"{remark} pbc=").replace('pbc="T T T"', "pbc=T"))
    said = sentence_of(path)
    assert said.startswith("mine.extxyz could not be read: line 2 has ")
    assert "truncated" not in said


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_encodings_and_line_ends(path, encoding, newline):
    text = path.read_text(encoding="utf-8").replace("pbc=", 'note="Ångström" pbc=').replace("\n", newline)
    path.write_bytes(text.encode(encoding))
    same_labels(read_frames(path), WATER[:2])


def edited(path, number, change):
    lines = path.read_text(encoding="utf-8").split("\n")
    lines[number - 1] = change(lines[number - 1])
    path.write_text("\n".join(lines), encoding="utf-8")
    return sentence_of(path)


@pytest.mark.parametrize(
    ("number", "change", "said"),
    [
        (5, lambda line: line.replace(".", ",", 1), "line 5 has '"),
        (5, lambda line: " ".join([*line.split()[:-1], "****"]), "line 5 has '****', expected a number"),
        (5, lambda line: " ".join(line.split()[:-1]), "line 5 has 6 columns, expected 7 as Properties says"),
        (5, lambda line: f"{line} 1.0", "line 5 has 8 columns, expected 7 as Properties says"),
        (5, lambda line: f"Xx{line[1:]}", "line 5 names an atom 'Xx', expected a chemical symbol"),
        (1, lambda line: "47", "expected the number of atoms of the next frame"),
        (1, lambda line: "fifty", "line 1 holds 'fifty', expected the number of atoms"),
        (
            2,
            lambda line: line.replace("Lattice", "energy=1 Lattice"),
            "line 2 has energy 2 times, expected it once",
        ),
        (2, lambda line: line.replace(":R:3:", ":R:", 1), "expected triples such as species:S:1:pos:R:3"),
        (2, lambda line: line.replace("energy=-", "energy=-1,"), "has the energy"),
        (2, lambda line: line.replace("energy=-", "energy=x"), "has the energy"),
        (2, lambda line: line.replace('dipole="', 'dipole="1 '), "expected 3 numbers"),
    ],
)
def test_what_breaks_the_format_is_told_with_its_line(path, number, change, said):
    sentence = edited(path, number, change)
    assert said in sentence
    assert "truncated" not in sentence or "6 columns" in sentence


@pytest.mark.parametrize("rows", [1, 5, 48])
def test_only_truncated_files_are_called_truncated(path, rows):
    lines = path.read_text(encoding="utf-8").rstrip("\n").split("\n")
    path.write_text("\n".join(lines[:-rows]), encoding="utf-8")
    assert sentence_of(path) == (
        f"mine.extxyz could not be read: line 51 begins a frame of 48 atoms of which {48 - rows} follow, expected 48 "
        "rows; the file is truncated: make or download it again."
    )


def test_a_file_without_a_last_line_end_is_whole(path):
    path.write_text(path.read_text(encoding="utf-8").rstrip("\n"), encoding="utf-8")
    same_labels(read_frames(path), WATER[:2])


ORDER = [(0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)]


@pytest.mark.parametrize("brackets", ['"{}"', "'{}'", "[{}]", "{{{}}}"])
@pytest.mark.parametrize("order", [None, "xx yy zz xy yz xz", "xx xy xz yy yz zz"])
def test_stresses_of_six_numbers(tmp_path, brackets, order):
    places = {"xx": 0, "yy": 1, "zz": 2, "yz": 3, "xz": 4, "xy": 5}
    write_frames(tmp_path / "mine.extxyz", WATER[:2])
    lines = (tmp_path / "mine.extxyz").read_text(encoding="utf-8").split("\n")
    for number, frame in zip((1, 51), WATER, strict=False):
        six = [frame.calc.results["stress"][places[name]] for name in (order or "xx yy zz yz xz xy").split()]
        written = brackets.format(" ".join(f"{value:.8f}" for value in six))
        before, _, after = lines[number].partition(" stress=")
        behind = after.split('" ', 1)[1]
        lines[number] = f"{before} stress={written} {behind}"
    (tmp_path / "mine.extxyz").write_text("\n".join(lines), encoding="utf-8")
    how = Conventions(stress_order=order) if order else Conventions()
    same_labels(read_frames(tmp_path / "mine.extxyz", how), WATER[:2])


@pytest.mark.parametrize("numbers", [6, 9])
def test_virials_are_read_as_stresses_of_the_opposite_sign(path, numbers):
    lines = path.read_text(encoding="utf-8").split("\n")
    for number, frame in zip((1, 51), WATER, strict=False):
        virial = -frame.get_volume() * frame.get_stress(voigt=False)
        values = virial.ravel() if numbers == 9 else [virial[place] for place in ORDER]
        before, _, after = lines[number].partition(" stress=")
        written = " ".join(f"{value:.8f}" for value in values)
        behind = after.split('" ', 1)[1]
        lines[number] = f'{before} virial="{written}" {behind}'
    path.write_text("\n".join(lines), encoding="utf-8")
    same_labels(read_frames(path), WATER[:2])


def test_nine_numbers_that_are_called_stress_and_are_a_virial_have_no_order(path):
    how = Conventions(keys={"virial": "stress"}, stress_order="xx yy zz xy yz xz")
    for found, frame in zip(read_frames(path, how), WATER, strict=False):
        np.testing.assert_allclose(found.get_stress(), -frame.get_stress() / frame.get_volume(), rtol=1e-5)


def test_a_stress_and_a_virial_that_differ_are_refused(path):
    path.write_text(path.read_text(encoding="utf-8").replace("stress=", 'virial="1 0 0 0 1 0 0 0 1" stress='))
    assert "has a stress and a virial that differ" in sentence_of(path)


@pytest.mark.parametrize("label", ["energy", "forces", "stress", "dipole"])
def test_labels_of_other_names_are_read_where_they_are_stated_and_never_left_out(path, label):
    text = path.read_text(encoding="utf-8")
    text = (
        text.replace(":forces:", ":REF_forces:")
        if label == "forces"
        else text.replace(f" {label}=", f" REF_{label}=")
    )
    path.write_text(text, encoding="utf-8")
    same_labels(read_frames(path, Conventions(keys={label: f"REF_{label}"})), WATER[:2])
    assert f"has no '{label}' but 'REF_{label}': " in sentence_of(path)
    assert f"state {label}_key: REF_{label} in dataset" in sentence_of(path)


def test_a_stated_name_that_is_not_there_is_told(path):
    said = sentence_of(path, conventions=Conventions(keys={"energy": "DFT"}))
    assert "has no 'DFT', which energy_key names: expected one of dipole, energy, forces" in said


@pytest.mark.parametrize(
    ("labels", "elements", "symbols"),
    [
        (("OW", "HW"), None, {"O", "H"}),
        (("OW", "HW"), ELEMENTS, {"O", "H"}),
        (("O1", "H_w"), ELEMENTS, {"O", "H"}),
        (("o", "h"), ELEMENTS, {"O", "H"}),
        (("O2-", "HO"), ELEMENTS, {"O", "H"}),
        (("O", "D"), None, {"O", "D"}),
        (("O", "D"), ELEMENTS, {"O", "D"}),
    ],
)
def test_labels_of_atoms_stand_for_elements(path, labels, elements, symbols):
    text = (
        path.read_text(encoding="utf-8").replace("\nO ", f"\n{labels[0]} ").replace("\nH ", f"\n{labels[1]} ")
    )
    path.write_text(text, encoding="utf-8")
    frames = read_frames(path, elements=elements)
    same_labels(frames, WATER[:2])
    assert set(symbols_of(frames[0])) == symbols


def test_ambiguous_labels_are_to_be_stated(path):
    text = path.read_text(encoding="utf-8").replace("\nO ", "\nCA ")
    path.write_text(text, encoding="utf-8")
    assert (
        "names an atom 'CA', expected a chemical symbol; state what it is in dataset.symbols"
        in sentence_of(path)
    )
    frames = read_frames(path, Conventions(symbols={"CA": "O"}), ELEMENTS)
    same_labels(frames, WATER[:2])
    assert "Ca" in read_frames(path, elements=["Ca", "H"])[0].get_chemical_symbols()


def test_heavy_water_is_hydrogen_of_another_mass_all_the_way(tmp_path, path):
    path.write_text(path.read_text(encoding="utf-8").replace("\nH ", "\nD "), encoding="utf-8")
    frames = read_frames(path)
    assert frames[0].get_masses().max() == pytest.approx(15.999)
    assert frames[0].get_masses().min() == pytest.approx(2.014)
    write_frames(tmp_path / "again.extxyz", frames)
    assert set(symbols_of(read_frames(tmp_path / "again.extxyz")[0])) == {"O", "D"}
    for elements in (["O", "D"], ["O", "H"], ["H", "O", "D"]):
        arrays = to_arrays(read_frames(tmp_path / "again.extxyz"), elements)
        wanted = elements.index("D") if "D" in elements else elements.index("H")
        assert set(arrays.species[0]) == {elements.index("O"), wanted}
    back = from_arrays(to_arrays(frames, ["O", "D"]), ["O", "D"], "again")
    assert set(symbols_of(back[0])) == {"O", "D"}
    # light water serves heavy water, since the surface does not depend on masses
    assert set(to_arrays(WATER[:2], ["O", "D"]).species[0]) == {0, 1}


def deepmd(folder, frames, parts=(0,), nopbc=False, mixed=False, **changes):
    """A DeePMD folder of frames, shared out to sets of these numbers."""
    folder.mkdir(parents=True)
    symbols = frames[0].get_chemical_symbols()
    kinds = np.array([ELEMENTS.index(symbol) for symbol in symbols])
    written = np.zeros_like(kinds) if mixed else kinds
    (folder / "type.raw").write_text("".join(f"{kind}\n" for kind in written))
    (folder / "type_map.raw").write_text("O\nH\n")
    if nopbc:
        (folder / "nopbc").touch()
    for number, share in zip(parts, np.array_split(np.arange(len(frames)), len(parts)), strict=True):
        own = [frames[index] for index in share]
        part = (
            folder / f"set.{number:03d}"
            if max(parts) < 1000 and len(parts) == 1
            else folder / f"set.{number}"
        )
        part.mkdir()
        arrays = {
            "coord": [frame.positions.ravel() for frame in own],
            "box": [frame.cell.array.ravel() for frame in own],
            "energy": [frame.get_potential_energy() for frame in own],
            "force": [frame.get_forces().ravel() for frame in own],
            "virial": [-frame.get_volume() * frame.get_stress(voigt=False).ravel() for frame in own],
            "dipole": [frame.get_dipole_moment() for frame in own],
        }
        if mixed:
            arrays["real_atom_types"] = [kinds] * len(own)
        for name, values in (arrays | changes).items():
            if values is not None:
                np.save(part / f"{name}.npy", np.array(values))
    return folder


def test_a_deepmd_folder_gives_what_it_was_made_of(tmp_path):
    same_labels(read_frames(deepmd(tmp_path / "water", WATER)), WATER)


def test_mixed_types_are_read_from_their_own_array(tmp_path):
    folder = deepmd(tmp_path / "water", WATER, mixed=True)
    same_labels(read_frames(folder), WATER)
    kinds = np.load(folder / "set.000/real_atom_types.npy")
    kinds[:, -3:] = -1  # three places without an atom
    np.save(folder / "set.000/real_atom_types.npy", kinds)
    frames = read_frames(folder)
    assert {len(frame) for frame in frames} == {45}
    np.testing.assert_allclose(frames[3].get_forces(), WATER[3].get_forces()[:45])
    np.save(folder / "set.000/real_atom_types.npy", np.where(kinds == 1, 2, kinds))
    assert "real_atom_types.npy holds the type 2, expected whole numbers from 0 to 1" in sentence_of(folder)


def test_stated_atoms_are_refused_where_types_are_mixed(tmp_path):
    folder = deepmd(tmp_path / "water", WATER, mixed=True)
    assert sentence_of(folder, conventions=Conventions(atoms="H32O16")) == (
        "water/set.000 holds real_atom_types.npy, which gives the atoms of each frame, expected no such file where "
        "atoms (H32O16) is stated: state atoms only for the files that need it, not for this one or the data set."
    )


def test_sets_are_read_in_the_order_of_their_numbers(tmp_path):
    folder = deepmd(tmp_path / "water", WATER[:12], parts=(0, 1, 2, 10))
    same_labels(read_frames(folder), WATER[:12])


def test_a_missing_cell_is_told(tmp_path):
    folder = deepmd(tmp_path / "water", WATER[:2], box=None)
    assert "has no box.npy and " in sentence_of(folder)


def test_a_cluster_has_no_stress_and_is_refused_for_its_cell(tmp_path):
    folder = deepmd(tmp_path / "water", WATER[:2], nopbc=True)
    frames = read_frames(folder)
    assert "stress" not in frames[0].calc.results
    with pytest.raises(CampaignError, match=r"periodicity \[False, False, False\]: expected three periodic"):
        check_frames(frames, ELEMENTS, force_limit=30.0)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("type_map.raw", "O\n", "type.raw holds the type 1, expected whole numbers from 0 to 0"),
        ("type.raw", "0.5\n" + "1\n" * 47, "type.raw holds the type 0.5, expected whole numbers"),
        ("type.raw", "O\n" * 48, "type.raw holds something other than numbers"),
        ("type_map.raw", "O\nXQ\n", "type_map.raw names 'XQ', expected chemical symbols"),
        ("type.raw", "0\n" * 47, "coord.npy has the shape (2, 144)"),
    ],
)
def test_types_that_do_not_fit_are_told(tmp_path, name, text, said):
    folder = deepmd(tmp_path / "water", WATER[:2])
    (folder / name).write_text(text)
    assert said in sentence_of(folder)


@pytest.mark.parametrize("names", ["OW HW", "O D", "o\nh", "O\nH\nC"])
def test_names_in_the_type_map_stand_for_elements(tmp_path, names):
    folder = deepmd(tmp_path / "water", WATER[:2])
    (folder / "type_map.raw").write_text(names)
    same_labels(read_frames(folder, elements=ELEMENTS), WATER[:2])


def test_types_written_as_decimals_are_whole_numbers(tmp_path):
    folder = deepmd(tmp_path / "water", WATER[:2])
    (folder / "type.raw").write_text(
        "".join(f"{float(kind)}\n" for kind in (folder / "type.raw").read_text().split())
    )
    same_labels(read_frames(folder), WATER[:2])


def test_types_without_a_map_can_be_stated(tmp_path):
    folder = deepmd(tmp_path / "water", WATER[:2])
    (folder / "type_map.raw").unlink()
    assert 'state them in dataset.symbols, such as {"0": O, "1": H}' in sentence_of(folder)
    same_labels(read_frames(folder, Conventions(symbols={"0": "O", "1": "H"})), WATER[:2])


def test_a_tree_of_systems_is_read_system_by_system(tmp_path):
    for number in (10, 2):
        deepmd(tmp_path / "tree" / f"system.{number}", WATER[number : number + 2])
    frames = read_frames(tmp_path / "tree")
    assert [frame.info["source"] for frame in frames] == [
        "system.2_0",
        "system.2_1",
        "system.10_0",
        "system.10_1",
    ]
    same_labels(frames, [*WATER[2:4], *WATER[10:12]])
    files = files_of(tmp_path / "tree")
    assert len(files) == 2 * (2 + 6)
    assert all(file.is_file() for file in files)


def test_dipoles_of_wannier_centres_are_completed_where_that_is_stated(tmp_path):
    formal = [np.where(frame.numbers == 8, -2.0, 1.0) @ frame.positions for frame in WATER]
    sums = [(each - frame.get_dipole_moment()) / 2 for each, frame in zip(formal, WATER, strict=True)]
    folder = deepmd(tmp_path / "water", WATER, dipole=sums)
    same_labels(read_frames(folder, Conventions(wannier=True, charges={"O": -2, "H": 1})), WATER)
    same_labels(read_frames(folder, Conventions(wannier=True, charges={"O": -2, "D": 1})), WATER)


def test_an_element_without_a_formal_charge_is_told(tmp_path):
    folder = deepmd(tmp_path / "water", WATER)
    how = Conventions(wannier=True, charges={"O": -2})
    said = "water, frame 0 (water_0) holds H, expected only O: add H to the elements or remove the frame."
    assert sentence_of(folder, conventions=how, elements=["O"]) == said


def test_types_may_lie_in_the_folder_above(tmp_path):
    folder = deepmd(tmp_path / "data/water", WATER)
    for name in ("type.raw", "type_map.raw"):
        (folder / name).rename(folder.parent / name)
    for given in (folder, folder.parent):
        same_labels(read_frames(given), WATER)
        assert folder.parent / "type.raw" in files_of(given)


def test_missing_types_are_told_with_the_number_of_atoms(tmp_path):
    folder = deepmd(tmp_path / "water", WATER[:2])
    (folder / "type.raw").unlink()
    assert sentence_of(folder) == (
        "water has no type.raw, nor has the folder above: expected the type of each atom in the order of coord.npy "
        "(48 atoms); add the file."
    )


@pytest.mark.parametrize("atoms", [48, 16])
def test_dipoles_of_atoms_add_up_to_that_of_the_cell(tmp_path, atoms):
    """Of all atoms, or of the oxygens alone."""
    per_atom = np.random.default_rng(1).normal(size=(len(WATER), atoms, 3))
    folder = deepmd(tmp_path / "water", WATER, dipole=None)
    np.save(folder / "set.000/atomic_dipole.npy", per_atom[: len(WATER)].reshape(len(WATER), -1))
    dipoles = [frame.calc.results["dipole"] for frame in read_frames(folder)]
    np.testing.assert_allclose(dipoles, per_atom.sum(axis=1), rtol=1e-12)
    np.save(folder / "set.000/atomic_dipole.npy", per_atom[:, :, :2])
    assert "atomic_dipole.npy has the shape" in sentence_of(folder)


def test_polarizabilities_of_molecules_are_those_of_their_oxygens_and_add_up_to_that_of_the_cell(tmp_path):
    tensors = np.eye(3) + np.random.default_rng(1).normal(0.0, 0.01, (len(WATER), 16, 3, 3))
    symmetric = 0.5 * (tensors + np.swapaxes(tensors, 2, 3))
    oxygens = WATER[0].numbers == 8
    folder = deepmd(tmp_path / "water", WATER)
    path = folder / "set.000/atomic_polarizability.npy"
    for given in (tensors, tensors.reshape(len(WATER), 16, 9), tensors.reshape(len(WATER), -1)):
        np.save(path, given)
        arrays = to_arrays(read_frames(folder), ELEMENTS)
        np.testing.assert_allclose(arrays.polarizabilities, symmetric.sum(axis=1), rtol=1e-12)
        np.testing.assert_allclose(arrays.local_polarizabilities[:, oxygens], symmetric, rtol=1e-12)
        np.testing.assert_array_equal(arrays.local_polarizabilities[:, ~oxygens], 0.0)
    np.save(path, tensors[..., :2])
    assert "atomic_polarizability.npy has the shape (" in sentence_of(folder)


@pytest.mark.parametrize("lattice", ['Lattice="7.8 7.8 7.8"', ""])
def test_a_cell_that_is_none_is_told(tmp_path, lattice):
    path = tmp_path / "mine.extxyz"
    path.write_text(f'2\n{lattice} Properties=species:S:1:pos:R:3 pbc="T T T" energy=1\nO 0 0 0\nH 0 0 1\n')
    with pytest.raises(CampaignError, match=r"line 2 cannot be read|has the cell|has no forces"):
        check_frames(read_frames(path), ELEMENTS, force_limit=30.0, needed=["energy"])


def test_displacements_of_each_atom_say_its_dipole_and_the_total(tmp_path):
    """Written and read again, with units."""
    by_atom = np.random.default_rng(1).normal(0.0, 0.1, (len(WATER), 48, 3))
    folder = deepmd(tmp_path / "water", WATER)
    (folder / "set.000/dipole.npy").unlink()
    np.save(folder / "set.000/atomic_dipole.npy", by_atom.reshape(len(WATER), -1))
    how = Conventions({"dipole": "e bohr"}, wannier=True, charges={"O": -2, "H": 1})
    frames = read_frames(folder, how)
    write_frames(tmp_path / "again.extxyz", frames)
    for found in (frames, read_frames(tmp_path / "again.extxyz")):
        arrays = to_arrays(found, ELEMENTS)
        np.testing.assert_allclose(arrays.local_dipoles, -2.0 * BOHR * by_atom, atol=1e-7)
        formal = np.einsum("fn,fnx->fx", np.where(arrays.species == 0, -2.0, 1.0), arrays.positions)
        np.testing.assert_allclose(arrays.dipoles, formal + arrays.local_dipoles.sum(axis=1), atol=1e-5)
    rebuilt = to_arrays(from_arrays(arrays, ELEMENTS, "water"), ELEMENTS)
    np.testing.assert_array_equal(rebuilt.local_dipoles, arrays.local_dipoles)


def test_dipoles_of_molecules_are_those_around_oxygens_and_of_their_hydrogens(tmp_path):
    """A folder without types, dipoles of the oxygens alone, and molecules that lie across the cell's boundary."""
    frame = molecule("H2O")
    frame.positions -= frame.positions[0]
    frame = frame + Atoms(frame.symbols, frame.positions @ np.diag([1, -1, -1]) + [3.9, 3.1, 4.4])
    frame = frame[[0, 3, 1, 2, 4, 5]]
    frame.set_cell([[7.0, 0.0, 0.0], [0.8, 6.5, 0.0], [0.0, 0.3, 8.0]])
    around = np.array([[0.01, -0.02, 0.13], [0.05, 0.11, -0.2]])
    bonds = np.array([frame.positions[2:4].sum(0), frame.positions[4:].sum(0) - 2 * frame.positions[1]])
    frame.positions[[2, 5]] += frame.cell.array[[1, 2]]
    part = tmp_path / "water/set.000"
    part.mkdir(parents=True)
    np.save(part / "coord.npy", frame.positions.ravel()[None])
    np.save(part / "box.npy", frame.cell.array.ravel()[None])
    np.save(part / "atomic_dipole.npy", (around + bonds).ravel()[None] / BOHR)
    how = Conventions({"dipole": "e bohr"}, molecular=True, atoms="O2H4", charges={"O": -2, "H": 1})
    arrays = to_arrays(read_frames(tmp_path / "water", how), ELEMENTS)
    np.testing.assert_array_equal(arrays.species, [[0, 0, 1, 1, 1, 1]])
    np.testing.assert_allclose(
        arrays.local_dipoles[0], np.append(around, np.zeros((4, 3)), axis=0), atol=1e-12
    )
    np.testing.assert_allclose(arrays.dipoles[0], (around + bonds).sum(axis=0), atol=1e-12)


@pytest.mark.parametrize(
    ("size", "nopbc", "said"),
    [
        (0.0, False, "has an atomic_dipole of zero for every atom, expected the dipole of each molecule"),
        (0.4, True, "has a molecular dipole in a cell of 480 Å³, periodic [False, False, False]"),
    ],
)
def test_dipoles_of_molecules_that_tell_none_are_refused(tmp_path, size, nopbc, said):
    dipoles = [size * (frame.numbers == 8)[:, None] * np.ones(3) for frame in WATER]
    folder = deepmd(tmp_path / "water", WATER, nopbc=nopbc, atomic_dipole=dipoles)
    how = Conventions(molecular=True, charges={"O": -2, "H": 1})
    assert f"water, frame 0 (water_0) {said}" in sentence_of(folder, conventions=how)


def test_frames_of_another_surface_may_lack_energies():
    """They have the dipole alone; a potential's frames may not."""
    frames = [with_labels(frame, {"dipole": frame.get_dipole_moment()}) for frame in WATER]
    kept, table = check_frames(frames, ELEMENTS, force_limit=30.0, needed=())
    assert len(kept) == len(WATER) and table.energy.isna().all() and table.largest_force.isna().all()
    described = summary({"train": kept})
    assert described.dipoles.sum() == len(WATER) and described.force.isna().all()
    with pytest.raises(CampaignError, match="has no energy: expected energy and forces"):
        check_frames(frames, ELEMENTS, force_limit=30.0)
