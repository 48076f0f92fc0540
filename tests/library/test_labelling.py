"""Labels: what CP2K prints is read rightly, forces are derivatives of energies, batches resume."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule

from dynrefine import units
from dynrefine.campaign.job import Job
from dynrefine.config import load_config
from dynrefine.config.labelling import CP2KSettings
from dynrefine.config.steps import LabelFrames, parameters_of
from dynrefine.datasets.conventions import formal_charges
from dynrefine.datasets.reading import read_frames, read_geometries
from dynrefine.datasets.sources import read_sources
from dynrefine.datasets.writing import write_frames
from dynrefine.errors import CampaignError
from dynrefine.labelling import label_batch, settings_hash
from dynrefine.labelling.cp2k import CP2K, stages
from dynrefine.labelling.cp2k_input import input_text
from dynrefine.labelling.cp2k_output import parse_output, version
from dynrefine.labelling.wannier_centres import local_dipoles, read_centres
from dynrefine.steps import label_frames as step

REPOSITORY = Path(__file__).parents[2]
PRINTED = (Path(__file__).parent / "cp2k_water_pair.out").read_text()
CHEAP = CP2KSettings(basis="DZVP-GTH", cutoff=300.0, relative_cutoff=40.0, eps_scf=1e-7, first_cutoff=0.0)

needs_cp2k = pytest.mark.skipif(shutil.which("cp2k.psmp") is None, reason="CP2K (cp2k.psmp) is not installed")


def water_pair() -> Atoms:
    first, second = molecule("H2O"), molecule("H2O")
    first.rotate(30, "x")
    second.rotate(75, "z")
    second.rotate(40, "y")
    second.translate([2.1, 1.9, 0.3])
    pair = first + second
    pair.set_cell([4.4, 4.5, 4.6])
    pair.pbc = True
    pair.info["source"] = "pair_0"
    return pair


def test_output_is_read_in_internal_units():
    labels = parse_output(PRINTED)
    assert labels["energy"] == pytest.approx(-34.439456441342621 * 27.211386245988, abs=1e-9)
    assert labels["forces"].shape == (6, 3)
    hartree_per_bohr = 51.42206747632590  # CODATA 2018, eV/Å
    # CP2K prints the sum of the forces it has printed
    total = np.array([-0.000227317312, -0.002730769472, 0.002916437237]) * hartree_per_bohr
    np.testing.assert_allclose(labels["forces"].sum(axis=0), total, atol=6 * 1e-12 * hartree_per_bohr)
    # under pressure CP2K's stress is positive and ASE's negative; 160.2176634 GPa = 1 eV/Å³
    pressures = [4.84450759358, 4.25011547503, 2.36322929781, 0.214291733967, 0.343117044924, 0.787907307942]
    np.testing.assert_allclose(labels["stress"], -np.array(pressures) / 160.2176634, rtol=1e-11)
    # 1 e Å = 4.80320471 D
    dipole = np.array([-1.5987845, 1.1931520, -3.7355048]) / 4.80320471
    np.testing.assert_allclose(labels["dipole"], dipole, rtol=1e-8)
    assert version(PRINTED) == "2023.1"


def test_unconverged_output_is_refused():
    unconverged = PRINTED.replace("*** SCF run converged in    12 steps ***", "*** SCF run NOT converged ***")
    with pytest.raises(CampaignError, match=r"did not converge \(step 12, deviation 0.0000007\d"):
        parse_output(unconverged, "label.out")


@pytest.mark.parametrize("part", ["ENERGY|", "ATOMIC FORCES", "STRESS|", "Dipole moment"])
def test_output_without_a_part_is_refused(part):
    with pytest.raises(CampaignError, match="label.out holds no"):
        parse_output(PRINTED.replace(part, "else"), "label.out")


def test_input_follows_the_settings_and_the_cell():
    pair = water_pair()
    pair.set_cell([[4.0, 0.0, 0.0], [1.0, 5.0, 0.0], [0.5, 0.25, 6.0]])
    text = input_text(pair, CP2KSettings(functional="BLYP", dispersion="none", cutoff=900.0), restart=True)
    assert "CUTOFF 900.0\n" in text
    assert "&BECKE88" in text
    assert "&VDW_POTENTIAL" not in text
    assert "SCF_GUESS RESTART" in text
    assert "B 1.0000000000 5.0000000000 0.0000000000" in text
    assert text.count("BASIS_SET TZV2P-GTH") == 2


def test_hash_of_settings_follows_what_changes_labels(tmp_path):
    def hash_of(command="cp2k.psmp", **options):
        return settings_hash(CP2K(CP2KSettings(**options), command, tmp_path))

    shipped = read_frames(REPOSITORY / "workflow/data/water16/frames.extxyz")[0]
    assert hash_of() == str(shipped.info["label_settings_hash"])
    assert hash_of("mpirun -n 4 cp2k.psmp", max_scf=7, first_cutoff=0.0) == hash_of()
    assert hash_of(cutoff=1200.0) != hash_of()
    # frames that were labelled without centres have none
    assert hash_of(wannier_centres=True) != hash_of()


def test_a_coarse_grid_comes_first_where_one_is_asked_for():
    settings = CP2KSettings()
    first, second = stages(settings)
    assert (first.cutoff, first.relative_cutoff, first.eps_scf) == (300.0, 30.0, 1e-4)
    assert second == settings
    assert list(stages(CHEAP)) == [CHEAP]


def test_centres_belong_to_the_nearest_heavy_atom_across_the_boundary():
    pair = water_pair()
    displacements = np.random.default_rng(1).normal(0.0, 0.3, (2, 4, 3))
    centres = pair.positions[[0, 3], None] + displacements + np.array([1, -2, 3]) @ pair.cell.array
    # one lies on a hydrogen
    centres[1, 2], displacements[1, 2] = pair.positions[4], pair.positions[4] - pair.positions[3]
    found = local_dipoles(pair, centres.reshape(-1, 3))
    np.testing.assert_allclose(found[[0, 3]], -2.0 * displacements.sum(axis=1), atol=1e-12)
    assert not found[[1, 2, 4, 5]].any()


def test_atoms_without_a_formal_charge_are_named():
    pair = water_pair()
    centres = np.repeat(pair.positions[[0, 3]], [5, 3], axis=0)
    with pytest.raises(
        CampaignError, match="atoms of O have 3, 5 Wannier centres, expected equally many for each"
    ):
        local_dipoles(pair, centres)


def test_dipoles_around_atoms_are_kept_beside_the_other_labels(tmp_path):
    springs, around = Springs(stop_at=9), np.arange(18.0).reshape(6, 3)
    springs.extra = {"local_dipole": around}
    for _ in range(2):  # labelled, and read from the folder
        [labelled] = label_batch([water_pair()], springs, tmp_path)
        np.testing.assert_allclose(labelled.arrays["local_dipole"], around)
        assert "energy" in labelled.calc.results


def test_missing_engine_is_named(tmp_path):
    with pytest.raises(CampaignError, match=r"frame 0 \(pair_0\).*'no-such-cp2k' was not found"):
        label_batch([water_pair()], CP2K(CHEAP, "no-such-cp2k", tmp_path / "engine"), tmp_path)


def test_crash_of_the_engine_is_named(tmp_path):
    with pytest.raises(CampaignError, match=r"frame 0 \(pair_0\): CP2K stopped with exit status 3"):
        label_batch([water_pair()], CP2K(CHEAP, "sh -c 'exit 3'", tmp_path / "engine"), tmp_path)


def test_geometry_must_be_periodic(tmp_path):
    cluster = water_pair()
    cluster.pbc = False
    with pytest.raises(CampaignError, match="periodic in 0 directions"):
        input_text(cluster, CHEAP, restart=False)


class Springs:
    """An engine: a spring on every atom, and a push on all of them."""

    engine, version, method, decisive = "springs", "1", "harmonic", {}

    def __init__(self, stop_at: int) -> None:
        self.calls, self.stop_at, self.extra = 0, stop_at, {}

    def calculate(self, atoms: Atoms) -> None:
        if self.calls == self.stop_at:
            raise CampaignError("the springs broke")
        self.calls += 1
        self.results = {"energy": float((atoms.positions**2).sum()), "forces": 0.3 - 2.0 * atoms.positions}
        self.results |= self.extra


def test_killed_batch_resumes_and_net_force_is_removed(tmp_path):
    frames = [water_pair() for _ in range(3)]
    for index, frame in enumerate(frames):
        frame.positions += 0.1 * index
        frame.info["source"] = f"pair_{index}"
    springs = Springs(stop_at=2)
    with pytest.raises(CampaignError, match=r"frame 2 \(pair_2\): the springs broke"):
        label_batch(frames, springs, tmp_path)
    springs.stop_at = 99
    labelled = label_batch(frames, springs, tmp_path)
    assert springs.calls == 3
    assert [frame.info["source"] for frame in labelled] == ["pair_0", "pair_1", "pair_2"]
    for frame, given in zip(labelled, frames, strict=True):
        net_force = (0.3 - 2.0 * given.positions).sum(axis=0)
        assert frame.info["net_force_removed"] == pytest.approx(np.abs(net_force).max(), abs=1e-5)
        np.testing.assert_allclose(frame.get_forces().sum(axis=0), 0.0, atol=len(frame) * 5e-6)
        assert frame.info["label_settings_hash"] == settings_hash(springs)


def labelled_in_batches(folder: Path, count: int, batches: int) -> list[Path]:
    """The files of a campaign with so many geometries and batches, beside those of earlier ones."""
    frames = [water_pair() for _ in range(count)]
    for index, frame in enumerate(frames):
        frame.positions += 0.1 * index
        frame.info["source"] = f"of{count}_{index}"
    write_frames(folder / "geometries.extxyz", frames)
    settings = parameters_of("label_frames", load_config(REPOSITORY / "tests/config/toy.yaml"))
    settings["labelling"]["batches"] = batches
    files = [folder / f"batch_{batch:03d}.extxyz" for batch in range(batches)]
    for batch, file in enumerate(files):
        inputs = SimpleNamespace(geometries=str(folder / "geometries.extxyz"))
        resources = {"command": "springs"}
        job = Job(inputs, SimpleNamespace(frames=str(file)), {"batch": f"{batch:03d}"}, resources=resources)
        step.label_frames(job, LabelFrames.model_validate(settings))
    return files


def test_what_is_labelled_stays_so_when_geometries_and_batches_are_added(tmp_path, monkeypatch):
    springs = Springs(stop_at=99)
    monkeypatch.setitem(step.ENGINES, "cp2k", lambda settings, command, folder: springs)
    for count, batches in ((3, 2), (5, 3), (2, 4)):
        files = labelled_in_batches(tmp_path, count, batches)
        sources = read_sources([(str(file), None) for file in files], ["O", "H"])
        named = [frame.info["source"] for source in sources for frame in source.frames]
        assert named == [f"of{count}_{index}" for index in range(count)]
    assert springs.calls == 5
    assert len(sources) == 2  # four batches of two geometries: two of none


def test_labels_of_geometries_are_passed_over(tmp_path):
    path = tmp_path / "geometries.extxyz"
    path.write_text(
        '2\nLattice="4 0 0 0 4 0 0 0 4" Properties=species:S:1:pos:R:3:force:R:3 pbc="T T T" energies=1.0 '
        'virial="1 2 3 4 5 6 7 8 9" polarizability="1 2" scf_converged=F\nCA 0 0 0 9 9 9\nH 1 0 0 9 9 9\n'
    )
    with pytest.raises(CampaignError, match="names an atom 'CA'"):
        read_geometries(path, ["C", "Ca", "H"])
    [frame] = read_geometries(path, ["C", "H"], {"CA": "C"})
    assert frame.info == {"source": "geometries_0"}
    assert frame.arrays.keys() == {"numbers", "positions"} and frame.calc is None
    np.testing.assert_array_equal(frame.positions, [[0, 0, 0], [1, 0, 0]])
    with pytest.raises(CampaignError, match="frame 0 .* holds C, expected only O, H"):
        read_geometries(path, ["O", "H"], {"CA": "C"})


@pytest.mark.slow
@needs_cp2k
def test_forces_are_derivatives_of_the_energy(tmp_path):
    """The energy falls along the forces by their work, Simpson's rule of three points."""
    calculator, pair, step = CP2K(CHEAP, "cp2k.psmp", tmp_path), water_pair(), 0.01
    calculator.calculate(pair)
    direction = calculator.results["forces"] / (middle := np.linalg.norm(calculator.results["forces"]))

    def calculated(displacement: float) -> tuple[float, float]:
        moved = pair.copy()
        moved.positions += displacement * direction
        calculator.calculate(moved)
        return calculator.results["energy"], np.sum(calculator.results["forces"] * direction)

    (above, force_above), (below, force_below) = calculated(step), calculated(-step)
    curvature = (force_above - 2.0 * middle + force_below) / 6.0
    # Forces are of first order in the density's deviation.
    unconverged = CHEAP.eps_scf * units.HARTREE / units.BOHR
    # What the rule misses is to what it adds as that is to the force.
    assert abs(curvature) < 1e-3 * middle
    missed = unconverged + 1e-3 * abs(curvature)
    assert (below - above) / (2.0 * step) == pytest.approx(middle + curvature, abs=missed)


@needs_cp2k
def test_dipole_of_a_water_molecule_points_to_the_hydrogens(tmp_path):
    water = molecule("H2O")
    water.set_cell([7.0, 7.0, 7.0])
    water.pbc = True
    settings = CHEAP.model_copy(update={"wannier_centres": True, "first_cutoff": 150.0})
    calculator = CP2K(settings, "cp2k.psmp", tmp_path)
    calculator.calculate(water)
    towards_hydrogens = water.positions[1:].mean(axis=0) - water.positions[0]
    towards_hydrogens /= np.linalg.norm(towards_hydrogens)
    dipole = calculator.results["dipole"] / units.DEBYE
    # 1.855 D measured; images and the small basis change it by some per cent
    assert dipole @ towards_hydrogens == pytest.approx(1.855, rel=0.15)
    assert len(read_centres(tmp_path, "label")) == 4  # of the last run alone
    # The centres say the same: the positions of whole clouds by their own phases, not those of all together.
    around = calculator.results["local_dipole"]
    assert not around[1:].any()
    total = formal_charges(water, {"O": -2, "H": 1}) @ water.positions + around.sum(axis=0)
    np.testing.assert_allclose(total, calculator.results["dipole"], atol=0.02 * np.linalg.norm(total))


@needs_cp2k
@pytest.mark.slow
def test_labels_of_the_shipped_method_are_reproduced(tmp_path):
    """Of two molecules; those that are shipped have 16 and take minutes."""
    [expected] = read_frames(Path(__file__).with_name("water_pair.extxyz"))
    engine = CP2K(CP2KSettings(), "cp2k.psmp", tmp_path / "engine")
    [labelled] = label_batch([expected], engine, tmp_path)
    assert (
        labelled.info["label_settings_hash"] == expected.info["label_settings_hash"] == settings_hash(engine)
    )
    found, expected = labelled.calc.results, expected.calc.results
    # positions are kept to 1e-8 Å, some ten forces of less than 1 eV/Å
    assert found["energy"] == pytest.approx(expected["energy"], abs=1e-6)
    for label in ("forces", "stress", "dipole"):
        np.testing.assert_allclose(found[label], expected[label], atol=1e-5, err_msg=label)
