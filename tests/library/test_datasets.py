"""Data sets: what is read is what was written, faults are named, splits keep neighbours together."""

import hashlib
from dataclasses import fields
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import jax
import numpy as np
import pytest
from ase import Atoms
from ase.io import read

import dynrefine.geometry.frames_with_neighbours  # noqa: F401 (makes frames a pytree)
from dynrefine import units
from dynrefine.datasets import fetching
from dynrefine.datasets.arrays import from_arrays, to_arrays
from dynrefine.datasets.checking import check_frames
from dynrefine.datasets.fetching import fetch
from dynrefine.datasets.reading import dipole_from_wannier, read_frames, with_labels
from dynrefine.datasets.splitting import series_and_index, split_by_blocks, summary
from dynrefine.datasets.writing import geometry_key, write_frames
from dynrefine.errors import CampaignError
from dynrefine.geometry import frames_with_neighbours
from dynrefine.geometry.frames import LabelledFrames

pytestmark = pytest.mark.usefixtures("fast_compilation")

REPOSITORY = Path(__file__).parents[2]
CELL = np.array([[5.0, 0.0, 0.0], [1.0, 6.0, 0.0], [0.5, 0.25, 7.0]])
ELEMENTS = ["O", "H"]


def water(index: int, series: str = "300K") -> Atoms:
    """One water molecule in a skewed cell, with labels drawn at random and rounded as in files."""
    generator = np.random.default_rng(index)
    positions = np.array([[0.0, 0.0, 0.0], [0.96, 0.0, 0.0], [-0.24, 0.93, 0.0]]) + 4.0
    frame = Atoms("OHH", np.round(positions + generator.normal(0.0, 0.01, (3, 3)), 6), cell=CELL, pbc=True)
    forces = np.round(generator.normal(0.0, 1.0, (3, 3)), 5)
    labels = {
        "energy": round(-468.0 + generator.normal(0.0, 0.1), 6),
        "forces": forces - np.round(forces.mean(axis=0), 5),
        "stress": np.round(generator.normal(0.0, 0.01, 6), 8),
        "dipole": np.round(generator.normal(0.0, 0.5, 3), 5),
    }
    frame.info["source"] = f"{series}_{index}"
    return with_labels(frame, labels)


def frames_of(*counts: int) -> list[Atoms]:
    return [water(index, f"series{series}") for series, count in enumerate(counts) for index in range(count)]


def changed(frame: Atoms, **labels) -> Atoms:
    return with_labels(frame, frame.calc.results | labels)


def test_frames_survive_a_file_to_the_last_kept_digit(tmp_path):
    frames = [water(0), water(1)]
    write_frames(tmp_path / "frames.extxyz", frames)
    for found, expected in zip(read_frames(tmp_path / "frames.extxyz"), frames, strict=True):
        assert found.get_chemical_symbols() == expected.get_chemical_symbols()
        assert found.info["source"] == expected.info["source"]
        np.testing.assert_allclose(found.cell.array, CELL, rtol=0, atol=0)
        np.testing.assert_allclose(found.positions, expected.positions, rtol=0, atol=1e-12)
        assert found.calc.results.keys() == expected.calc.results.keys()
        for name, value in expected.calc.results.items():
            np.testing.assert_allclose(found.calc.results[name], value, rtol=0, atol=1e-12)


def test_frames_survive_a_file_to_1e_8_where_more_digits_are_known(tmp_path):
    frame = water(0)
    generator = np.random.default_rng(0)
    frame.positions += generator.random((3, 3))
    frame = changed(frame, energy=-468.0 + generator.random(), forces=generator.random((3, 3)))
    write_frames(tmp_path / "frame.extxyz", [frame])
    found = read_frames(tmp_path / "frame.extxyz")[0]
    np.testing.assert_allclose(found.positions, frame.positions, rtol=0, atol=1e-8)
    for name, value in frame.calc.results.items():
        np.testing.assert_allclose(found.calc.results[name], value, rtol=0, atol=1e-8)


def test_frames_without_labels_or_names_are_read_and_named(tmp_path):
    frame = Atoms("Ar2", [[0, 0, 0], [3.8, 0, 0]], cell=[10, 10, 10], pbc=True)
    write_frames(tmp_path / "argon.xyz", [frame, frame])
    found = read_frames(tmp_path / "argon.xyz")
    assert [item.info["source"] for item in found] == ["argon_0", "argon_1"]
    assert found[0].calc is None


def test_shipped_frames_are_sound():
    path = REPOSITORY / "workflow/data/water16/frames.extxyz"
    kept, table = check_frames(read_frames(path), ELEMENTS, force_limit=30.0)
    assert len(kept) == len(table) >= 79
    for frame in read(path, ":"):
        assert frame.calc.results.keys() == {"energy", "forces", "stress", "dipole"}
        assert len(frame) == 48


def deepmd_folder(folder: Path) -> Path:
    generator = np.random.default_rng(0)
    folder.mkdir()
    (folder / "type.raw").write_text("0\n1\n1\n")
    (folder / "type_map.raw").write_text("O\nH\n")
    for part in range(2):
        path = folder / f"set.{part:03d}"
        path.mkdir()
        np.save(path / "coord.npy", generator.random((3, 9)))
        np.save(path / "box.npy", np.tile(CELL.ravel(), (3, 1)))
        np.save(path / "energy.npy", np.arange(3.0) + 10 * part)
        np.save(path / "force.npy", generator.random((3, 9)))
        np.save(path / "virial.npy", np.tile(np.diag([2.1, 4.2, 6.3]).ravel(), (3, 1)))
        np.save(path / "dipole.npy", np.full((3, 3), 0.25))
    return folder


def test_deepmd_folder(tmp_path):
    folder = deepmd_folder(tmp_path / "water")
    frames = read_frames(folder)
    assert len(frames) == 6
    frame = frames[4]
    assert frame.info["source"] == "water_4"
    assert frame.get_chemical_symbols() == ["O", "H", "H"]
    np.testing.assert_allclose(frame.cell.array, CELL)
    np.testing.assert_allclose(frame.positions, np.load(folder / "set.001/coord.npy")[1].reshape(3, 3))
    np.testing.assert_allclose(frame.get_forces(), np.load(folder / "set.001/force.npy")[1].reshape(3, 3))
    assert frame.get_potential_energy() == 11.0
    # a positive virial is a pressure, so a negative stress; the volume is 5 x 6 x 7 Å³
    np.testing.assert_allclose(frame.get_stress(), [-0.01, -0.02, -0.03, 0.0, 0.0, 0.0], atol=1e-15)
    np.testing.assert_allclose(frame.get_dipole_moment(), 0.25)


def test_dipole_from_displacements_of_wannier_centres(tmp_path):
    frame = read_frames(deepmd_folder(tmp_path / "water"))[0]
    oxygen, first, second = frame.positions
    total = dipole_from_wannier(frame, {"O": -2.0, "H": 1.0}).get_dipole_moment()
    np.testing.assert_allclose(total, (first - oxygen) + (second - oxygen) - 2.0 * 0.25)


def test_incomplete_deepmd_folders_are_named(tmp_path):
    folder = deepmd_folder(tmp_path / "water")
    np.save(folder / "set.001" / "energy.npy", np.zeros(2))
    with pytest.raises(CampaignError, match=r"set\.001 could not be read"):
        read_frames(folder)
    (folder / "type_map.raw").unlink()
    with pytest.raises(CampaignError, match=r"type_map\.raw is missing"):
        read_frames(folder)


def test_truncated_empty_and_missing_files_are_named(tmp_path):
    path = tmp_path / "frames.extxyz"
    write_frames(path, [water(0), water(1)])
    path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")
    with pytest.raises(CampaignError, match=r"frames\.extxyz could not be read"):
        read_frames(path)
    path.write_text("")
    with pytest.raises(CampaignError, match=r"frames\.extxyz"):
        read_frames(path)
    with pytest.raises(CampaignError, match=r"nothing\.xyz does not exist"):
        read_frames(tmp_path / "nothing.xyz")


def test_doubtful_frames_are_left_out_with_a_reason():
    frames = frames_of(11)
    frames[1] = changed(frames[1], forces=30.0 * frames[1].get_forces())
    frames[2].positions[1] = frames[2].positions[0] + [0.55, 0.0, 0.0]
    frames[3] = changed(frames[3], energy=frames[3].get_potential_energy() + 50.0)
    frames[4].info["net_force_removed"] = 0.7
    frames[5] = frames[0]
    frames[6].info["scf_converged"] = False
    kept, table = check_frames(frames, ELEMENTS, force_limit=10.0)
    assert [series_and_index(frame)[1] for frame in kept] == [0, 7, 8, 9, 10]
    reasons = dict(zip(table.frame, table.reason, strict=True))
    assert reasons[0] == ""
    assert reasons[1] == "a force above 10 eV/Å"
    assert reasons[2] == "atoms nearer than 0.6 Å"
    assert reasons[3] == "an energy more than 8 deviations from the median"
    assert reasons[4] == "a net force above 0.1 eV/Å times the root of the number of atoms"
    assert reasons[5] == "the geometry of an earlier frame"
    assert reasons[6] == "self-consistency not converged"
    assert (table.verdict == "kept").sum() == 5


def at_temperatures(series: dict[str, tuple[int, float]]) -> list[Atoms]:
    """Frames whose energies alone are known and spread by 1 meV/atom around a level of each series."""
    frames = []
    for name, (count, level) in series.items():
        for index in range(count):
            frame = water(len(frames), name)
            energy = -468.0 + 3.0 * (level + 0.001 * np.random.default_rng(index).normal())
            frame.info["source"] = f"{name}_{index}"
            frames.append(with_labels(frame, {"energy": energy}))
    return frames


def test_frames_of_a_rare_temperature_are_kept():
    frames = at_temperatures({"300K": (90, 0.0), "350K": (10, 0.02)})
    frames[5] = changed(frames[5], energy=frames[5].get_potential_energy() + 3.0 * 0.02)
    kept, table = check_frames(frames, ELEMENTS, force_limit=30.0, needed=["energy"])
    assert table.frame[table.verdict == "removed"].tolist() == [5]  # at 300 K this is an outlier
    assert len(kept) == 99


def test_a_rare_temperature_within_a_series_is_refused_not_left_out():
    frames = at_temperatures({"300K": (54, 0.0), "350K": (3, 0.02)})
    for index, frame in enumerate(frames):
        frame.info["source"] = f"all_{index}"
    message = r"57 frames have an energy more than 8 deviations .* mixes temperatures .* raise energy_limit"
    with pytest.raises(CampaignError, match=f"the data set: 3 of {message}"):
        check_frames(frames, ELEMENTS, force_limit=30.0, needed=["energy"])
    # two frames may be outliers
    assert len(check_frames(frames[:56], ELEMENTS, force_limit=30.0, needed=["energy"])[0]) == 54


def test_short_series_are_compared_with_each_other():
    """They spread by the 5 meV/atom that few frames do not tell."""
    series = {f"run{number}": (3, 0.0) for number in range(4)} | {"hot": (1, 0.03), "broken": (1, 0.05)}
    table = check_frames(at_temperatures(series), ELEMENTS, force_limit=30.0, needed=["energy"])[1]
    assert table.source[table.verdict == "removed"].tolist() == ["broken_0"]
    assert table.energy_deviation[12] == pytest.approx(0.03 / 0.005, rel=0.1)


def test_a_geometry_is_kept_whose_first_copy_is_left_out():
    frames = at_temperatures({"300K": (4, 0.0)})
    frames[2], frames[3] = frames[0].copy(), frames[0].copy()
    frames[2].calc = frames[3].calc = frames[0].calc
    frames[0].info["scf_converged"] = False
    table = check_frames(frames, ELEMENTS, force_limit=30.0, needed=["energy"])[1]
    assert table.reason.tolist() == [
        "self-consistency not converged",
        "",
        "",
        "the geometry of an earlier frame",
    ]


def test_coordinates_that_are_zero_but_for_rounding_are_zero():
    frame = Atoms("H", [[0.0, 0.0, 1.0]], cell=[5, 5, 5], pbc=True)
    other = Atoms("H", [[-1e-16, -4e-7, 1.0]], cell=[5, 5, 5], pbc=True)
    assert geometry_key(frame) == geometry_key(other) == "b2632cfd62"


def test_shortest_distance_is_that_of_the_nearest_image():
    frame = water(0)
    frame.positions += CELL[0] + 2 * CELL[2]
    frame.positions[1] -= CELL[1]
    table = check_frames([frame, water(1)], ELEMENTS, force_limit=30.0)[1]
    assert table.shortest_distance[0] == pytest.approx(frame.get_all_distances(mic=True)[0, 1:].min())


def impossible_frames() -> dict[str, list[Atoms]]:
    frames = frames_of(3)
    forces = frames[1].get_forces()
    forces[2, 0] = np.nan
    unbounded = frames[1].copy()
    unbounded.pbc = False
    in_bohr = [frame.copy() for frame in frames]
    for frame in in_bohr:
        frame.set_cell(CELL / 0.529177, scale_atoms=True)
    in_nanometres = [frame.copy() for frame in frames]
    for frame in in_nanometres:
        frame.set_cell(CELL / 10.0, scale_atoms=True)

    def labelled(changed_frames: list[Atoms]) -> list[Atoms]:
        pairs = zip(changed_frames, frames, strict=True)
        return [with_labels(new, old.calc.results) for new, old in pairs]

    return {
        r"frame 1 \(series0_1\) has non-finite numbers in its forces": [
            frames[0],
            changed(frames[1], forces=forces),
        ],
        r"frame 1 \(series0_1\) has non-finite numbers in its energy": [
            frames[0],
            changed(frames[1], energy=np.inf),
        ],
        r"frame 1 \(series0_1\) has no forces": [frames[0], with_labels(frames[1], {"energy": -468.0})],
        r"frame 0 \(series0_1\) has no energy": [frames[1].copy()],
        r"periodicity \[False, False, False\]": [with_labels(unbounded, frames[1].calc.results)],
        r"not to be in Å \(bohr\?\)": labelled(in_bohr),
        r"not to be in Å \(nm\?\)": labelled(in_nanometres),
        r"forces seem to be in other units": [
            changed(frame, forces=frame.get_forces() / 51.422) for frame in frames
        ],
        r"none of 3 frames is left": [changed(frame, forces=10.0 * frame.get_forces()) for frame in frames],
    }


@pytest.mark.parametrize("message", impossible_frames())
def test_impossible_frames_are_refused(message):
    with pytest.raises(CampaignError, match=message):
        check_frames(impossible_frames()[message], ELEMENTS, force_limit=5.0, name="frames.extxyz")


def test_unknown_elements_are_named():
    frames = frames_of(2)
    frames[1].symbols[0] = "S"
    message = r"frames\.extxyz, frame 1 \(series0_1\) holds S, expected only O, H"
    with pytest.raises(CampaignError, match=message):
        check_frames(frames, ELEMENTS, force_limit=30.0, name="frames.extxyz")
    with pytest.raises(CampaignError, match="holds S"):
        to_arrays(frames, ELEMENTS)


FRACTIONS = {"train": 0.8, "validation": 0.1, "test": 0.1}


def test_split_keeps_blocks_together_and_shares_out_all_frames():
    frames = frames_of(40, 60)
    splits = split_by_blocks(frames, FRACTIONS, 5, seed=1)
    names = [frame.info["source"] for members in splits.values() for frame in members]
    assert sorted(names) == sorted(frame.info["source"] for frame in frames)
    split_of = {series_and_index(frame): name for name, members in splits.items() for frame in members}
    for series, count in (("series0", 40), ("series1", 60)):
        for block in range(count // 5):
            assert len({split_of[series, 5 * block + place] for place in range(5)}) == 1
    assert {name: len(members) for name, members in splits.items()} == {
        "train": 80,
        "validation": 10,
        "test": 10,
    }


def test_split_follows_the_seed_and_not_the_order_of_the_file():
    frames = frames_of(60)

    def names(seed: int, given: list[Atoms]) -> list[str]:
        return [frame.info["source"] for frame in split_by_blocks(given, FRACTIONS, 5, seed)["test"]]

    assert names(3, frames) == names(3, frames[::-1])
    assert len({tuple(names(seed, frames)) for seed in range(6)}) > 1


def test_split_refuses_what_it_cannot_do():
    with pytest.raises(CampaignError, match="10 frames make 2 blocks of 5, too few"):
        split_by_blocks(frames_of(10), FRACTIONS, 5, seed=0)
    with pytest.raises(CampaignError, match="expected positive numbers that add up to 1"):
        split_by_blocks(frames_of(60), {"train": 0.8, "test": 0.1}, 5, seed=0)


def test_summary_is_by_split_and_series():
    frames = [changed(water(index, "300K"), stress=np.full(6, -1000.0 * units.BAR)) for index in range(4)]
    table = summary({"train": [*frames, water(0, "340K")], "test": [water(1, "340K")]})
    assert list(zip(table.split, table.series, table.frames, strict=True)) == [
        ("train", "300K", 4),
        ("train", "340K", 1),
        ("test", "340K", 1),
    ]
    assert table.pressure[0] == pytest.approx(1000.0)
    assert table.density[0] == pytest.approx(18.015 * 1.66053906660 / 210.0, rel=1e-4)
    assert table.energy[2] == pytest.approx(water(1).get_potential_energy() / 3)


def test_arrays_and_back():
    hydrogen = Atoms("H2", [[0, 0, 0], [0.74, 0, 0]], cell=[6, 6, 6], pbc=True, info={"source": "gas_0"})
    frames = [water(0), with_labels(hydrogen, {"energy": -31.7})]
    arrays = to_arrays(frames, ["H", "O"])
    np.testing.assert_array_equal(arrays.species, [[1, 0, 0], [0, 0, -1]])
    np.testing.assert_array_equal(arrays.atom_counts, [3, 2])
    assert np.isnan(arrays.stresses[1]).all()
    assert np.isnan(arrays.forces[1, :2]).all()
    np.testing.assert_array_equal(arrays.forces[1, 2], 0.0)
    # Voigt order is xx, yy, zz, yz, xz, xy
    np.testing.assert_allclose(arrays.stresses[0, [1, 0, 0], [2, 2, 1]], frames[0].get_stress()[3:])
    back = from_arrays(arrays, ["H", "O"], "again")
    assert [frame.info["source"] for frame in back] == ["again_0", "again_1"]
    for found, expected in zip(back, frames, strict=True):
        assert found.get_chemical_symbols() == expected.get_chemical_symbols()
        assert found.calc.results.keys() == expected.calc.results.keys()
        for name, value in expected.calc.results.items():
            np.testing.assert_allclose(found.calc.results[name], value)


def test_arrays_are_a_pytree_that_can_be_indexed():
    assert frames_with_neighbours.LabelledFrames is LabelledFrames  # registered there
    arrays = to_arrays(frames_of(5), ELEMENTS)
    assert len(arrays) == 5
    assert len(jax.tree_util.tree_leaves(arrays)) == len(fields(arrays))
    np.testing.assert_array_equal(arrays[np.array([3, 1])].energies, arrays.energies[[3, 1]])
    assert len(arrays[1:3]) == 2
    positions = np.zeros((4, 3, 3))
    geometries = LabelledFrames.unlabelled(np.array([0, 1, 1]), positions, CELL)
    frames = from_arrays(geometries, ELEMENTS, "trajectory")
    assert frames[3].get_chemical_symbols() == ["O", "H", "H"]
    assert not frames[3].calc.results


def test_fetch_verifies_the_checksum(tmp_path):
    source = tmp_path / "source.xyz"
    source.write_text("data")
    checksum = hashlib.sha256(b"data").hexdigest()
    destination = tmp_path / "data" / "copy.xyz"
    for address in (str(source), "absent, but the copy is already there"):
        assert fetch(address, checksum, destination).read_text() == "data"
    with pytest.raises(CampaignError, match=f"SHA-256 {checksum}, expected 0000"):
        fetch(source, "0" * 64, tmp_path / "other.xyz")
    assert not (tmp_path / "other.xyz").exists()
    for address in ("http://127.0.0.1:9/frames.xyz", str(tmp_path / "absent.xyz")):
        with pytest.raises(CampaignError, match="could not be copied"):
            fetch(address, checksum, tmp_path / "other.xyz")


class Server(BaseHTTPRequestHandler):
    """Sends the text "data"; for the address /cut the connection ends before the text does."""

    def do_GET(self) -> None:  # noqa: N802 (the name the library calls)
        self.send_response(200)
        self.send_header("Content-Length", "9" if self.path == "/cut" else "4")
        self.end_headers()
        self.wfile.write(b"data")

    def log_message(self, *arguments) -> None:
        """Nothing is printed."""


@pytest.fixture
def address():
    server = HTTPServer(("127.0.0.1", 0), Server)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_fetch_downloads(tmp_path, address):
    checksum = hashlib.sha256(b"data").hexdigest()
    assert fetch(f"{address}/whole", checksum, tmp_path / "copy.xyz").read_text() == "data"


def test_fetch_refuses_a_download_cut_short(tmp_path, address):
    checksum = hashlib.sha256(b"data and more").hexdigest()
    with pytest.raises(CampaignError, match="SHA-256|could not be copied"):
        fetch(f"{address}/cut", checksum, tmp_path / "copy.xyz")
    assert not list(tmp_path.iterdir())


def test_a_large_download_tells_the_log_how_far_it_is(tmp_path, address, monkeypatch, caplog):
    monkeypatch.setattr(fetching, "_PROGRESS", 4)
    with caplog.at_level("INFO"):
        fetch(f"{address}/whole", hashlib.sha256(b"data").hexdigest(), tmp_path / "copy.xyz")
    assert caplog.messages == [f"0 MB of {address}/whole"]


def test_frames_with_dipoles_alone_make_a_data_set():
    """A surface of dipoles needs neither energies nor forces."""
    frames = [with_labels(frame, {"dipole": frame.calc.results["dipole"]}) for frame in frames_of(12)]
    frames.append(frames[0].copy())
    kept, table = check_frames(frames[:12], ELEMENTS, force_limit=30.0, needed=())
    assert len(kept) == 12
    assert table.energy.isna().all()
    described = summary(split_by_blocks(kept, FRACTIONS, 1, seed=1))
    assert described.frames.sum() == described.dipoles.sum() == 12
    assert described.force.isna().all()
    with pytest.raises(CampaignError, match="has no dipole: expected dipole in every frame"):
        check_frames(frames, ELEMENTS, force_limit=30.0, needed=["dipole"])
