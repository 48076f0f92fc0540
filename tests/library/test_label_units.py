"""Labels in other units, of the other sign or in another order are refused with the factor that makes them right."""

import re
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones

from dynrefine import units
from dynrefine.datasets.checking import check_frames
from dynrefine.datasets.conventions import ORDERS, VOIGT, Conventions, in_internal_units, with_labels
from dynrefine.datasets.conversion import factor
from dynrefine.datasets.judging import unit_faults
from dynrefine.datasets.reading import read_frames
from dynrefine.datasets.sources import Source
from dynrefine.errors import CampaignError

WATER = read_frames(Path(__file__).parents[2] / "workflow/data/water16/frames.extxyz")
FEW = WATER[:40]


def in_units(frames, **stated):
    """Frames with labels as a program would write them that works in these units."""
    result = []
    for frame in frames:
        labels = dict(frame.calc.results)
        for quantity, unit in stated.items():
            if quantity == "energy" and unit.endswith("/atom"):
                labels["energy"] /= len(frame)
            if quantity == "virial":
                labels["stress"] = -labels["stress"] * frame.get_volume() / factor("virial", unit)
            elif quantity in labels:
                labels[quantity] = labels[quantity] / factor(quantity, unit)
        other = with_labels(frame, labels)
        length = factor("positions", stated.get("positions", "angstrom"))
        other.set_cell(frame.cell.array / length)
        other.positions = frame.positions / length
        result.append(other)
    return result


def faults(frames, **conventions):
    return unit_faults(frames, "mine.extxyz", Conventions(**conventions))


@pytest.mark.parametrize("count", [3, 10, 40, 115])
def test_labels_in_the_units_of_ase_pass(count):
    assert not faults(WATER[:count])


FORCES = ["-eV/angstrom", "hartree/bohr", "-hartree/bohr", "eV/bohr", "kcal/mol/angstrom", "kJ/mol/angstrom"]
FORCES += ["kJ/mol/nm", "Ry/bohr", "kJ/mol/bohr", "eV/nm"]
ENERGIES = ["hartree", "kJ/mol", "kcal/mol", "Ry", "meV", "eV/atom", "hartree/atom"]
STRESSES = [
    "-eV/angstrom^3",
    "GPa",
    "-GPa",
    "kbar",
    "-kbar",
    "bar",
    "hartree/bohr^3",
    "-hartree/bohr^3",
    "MPa",
]
DIPOLES = ["debye", "e bohr", "-e angstrom", "-debye"]
ALONE = [
    *(("forces", unit) for unit in FORCES),
    *(("energy", unit) for unit in ENERGIES),
    *(("stress", unit) for unit in STRESSES),
    *(("dipole", unit) for unit in DIPOLES),
]


@pytest.mark.parametrize(("quantity", "unit"), ALONE)
@pytest.mark.parametrize("count", [10, 40])
def test_one_label_in_another_unit_is_named_with_its_factor(quantity, unit, count):
    (sentence,) = faults(in_units(WATER[:count], **{quantity: unit}))
    change = factor(quantity, unit) * (48 if unit.endswith("/atom") else 1)
    assert sentence.startswith("mine.extxyz: ")
    assert sentence.endswith("in the dataset, or convert them.")
    assert re.search(
        rf"state units\.{quantity}: (\S+ \(factor \S+\) or |10 kJ.*)?{re.escape(unit)} ", sentence
    )
    assert f"{unit} (factor {change:.6g})" in sentence


@pytest.mark.parametrize(
    ("unit", "sizes", "choices"),
    [
        (
            "meV/angstrom",
            "in kJ/mol/nm 965 times, in meV/angstrom 1e+03 times",
            "kJ/mol/nm (factor 0.00103643) or meV/angstrom (factor 0.001)",
        ),
        (
            "10 kJ/mol/angstrom",
            "in kJ/mol/nm with nm converted the wrong way 9.65 times, in eV/nm 10 times",
            "10 kJ/mol/angstrom (factor 0.103643) or eV/nm (factor 0.1)",
        ),
    ],
)
def test_units_too_alike_to_be_told_apart_are_both_named(unit, sizes, choices):
    """Each with how large it makes forces, beside how large they are."""
    (sentence,) = faults(in_units(FEW, forces=unit))
    found = re.search(r"about (\S+) times as large as in eV/angstrom", sentence)
    assert float(found[1]) == pytest.approx(1.0 / factor("forces", unit), rel=0.2)
    assert all(part in sentence for part in sizes.split(", "))
    assert all(f"{part}" in sentence for part in choices.split(" or "))


@pytest.mark.parametrize("change", [0.5291772, 1.8, 1 / 1.8, -1.0])
@pytest.mark.parametrize("first", [0, 30, 60])
def test_two_frames_tell_forces_in_ev_per_bohr(first, change):
    """The stiffness of 64 bonds is known within a few per cent."""
    frames = WATER[first : first + 2]
    assert not faults(frames)
    assert faults(
        [with_labels(each, {"energy": 0.0, "forces": change * each.get_forces()}) for each in frames]
    )


@pytest.mark.parametrize("unit", ["kJ/mol", "kcal/mol", "meV"])
def test_few_frames_tell_energies_that_are_too_large(unit):
    assert f"state units.energy: {unit} (" in faults(in_units(WATER[3:7], energy=unit))[0]


GROUPED = FEW[0][np.argsort(FEW[0].numbers == 1, kind="stable")]
MOLECULES, ELEMENT_BY_ELEMENT = np.tile([8, 1, 1], 16), np.repeat([8, 1], [16, 32])


@pytest.mark.parametrize(
    ("frame", "said", "order"),
    [
        (GROUPED, MOLECULES, "all O, then all H"),
        (FEW[0], ELEMENT_BY_ELEMENT, "O H H by O H H"),
    ],
)
def test_symbols_in_another_order_than_the_positions_are_named(frame, said, order):
    assert not faults([frame])
    frame = frame.copy()
    frame.numbers = said
    (sentence,) = faults([frame])
    assert re.match(r"mine\.extxyz: only \d+ % of the hydrogens are bonded to one heavier atom", sentence)
    assert f"the order of the atoms seems to be {order}, but type.raw or the file gives another" in sentence


MISPLACED = {
    "axes": lambda frames: [np.roll(frame.get_forces(), 1, axis=1) for frame in frames],
    "the sign of one axis": lambda frames: [frame.get_forces() * [1, 1, -1] for frame in frames],
    "atoms": lambda frames: [frame.get_forces()[::-1] for frame in frames],
    "frames": lambda frames: [frame.get_forces() for frame in [*frames[1:], frames[0]]],
}


@pytest.mark.parametrize("what", MISPLACED)
def test_forces_of_other_atoms_axes_or_frames_are_refused(what):
    frames = FEW[:3]
    forces = MISPLACED[what](frames)
    (sentence,) = faults(
        [
            with_labels(each, {"energy": float(i), "forces": own})
            for i, (each, own) in enumerate(zip(frames, forces, strict=True))
        ]
    )
    assert "forces along bonds to hydrogen do not follow the lengths of the bonds" in sentence


@pytest.mark.parametrize(
    ("label", "said"),
    [("forces", "all forces are 0, expected some"), ("energy", "all 8 frames have the energy 0 eV")],
)
def test_labels_that_are_no_labels_are_refused(label, said):
    empty = [
        with_labels(each, {**each.calc.results, label: 0 * each.calc.results[label]}) for each in FEW[:8]
    ]
    assert any(said in sentence for sentence in faults(empty))


def test_frames_that_the_campaign_labelled_are_judged_all_together():
    misread = in_units(FEW[:6], forces="eV/bohr")
    batches = [Source(f"batch_{number:03d}", misread[2 * number : 2 * number + 2]) for number in range(3)]
    with pytest.raises(CampaignError) as refusal:
        check_frames(misread, ["O", "H"], force_limit=30.0, sources=batches)
    assert re.fullmatch(
        r"batch_000 to batch_002: the stiffness of bonds to hydrogen is \d\d\.\d eV/Å², expected about 4\d: "
        r"label_frames must have misread the output of the program; compare the frames with it, and report the "
        r"version of the program\.",
        str(refusal.value),
    )


@pytest.mark.parametrize(
    ("energy", "forces"),
    [
        ("hartree", "hartree/bohr"),
        ("kcal/mol", "kcal/mol/angstrom"),
        ("kJ/mol", "kJ/mol/nm"),
        ("kJ/mol", "kJ/mol/angstrom"),
        ("hartree/atom", "hartree/bohr"),
    ],
)
def test_energies_and_forces_of_one_program_are_both_named(energy, forces):
    (sentence,) = faults(in_units(FEW, energy=energy, forces=forces))
    assert f"state units.forces: {forces} (" in sentence
    assert f"state units.energy: {energy} (" in sentence


@pytest.mark.parametrize(("unit", "shown"), [("bohr", "0.529177"), ("nm", "10")])
def test_positions_in_another_unit_are_named(unit, shown):
    (sentence,) = faults(in_units(FEW, positions=unit))
    assert f"({unit}?); state units.positions: {unit} (factor {shown})" in sentence


def test_a_cell_in_another_unit_than_the_positions_is_named():
    frames = [frame.copy() for frame in FEW]
    for frame in frames:
        frame.set_cell(0.1 * frame.cell.array)
    assert "the cell seems to be in nm" in faults(frames)[0]


@pytest.mark.parametrize(("sign", "said"), [(1, "state virial_key: stress"), (-1, "units.virial: -eV")])
def test_virials_called_stress_are_named(sign, said):
    (sentence,) = faults(in_units(FEW, virial="eV" if sign > 0 else "-eV"))
    assert "virials in eV" in sentence
    assert said in sentence


@pytest.mark.parametrize("order", sorted(set(ORDERS) - {VOIGT}))
def test_another_order_of_six_numbers_is_named(order):
    frames = []
    for frame in FEW:
        tensor = frame.get_stress(voigt=False)
        frames.append(with_labels(frame, frame.calc.results | {"stress": [tensor[p] for p in ORDERS[order]]}))
    frames = [with_labels(each, {k: np.asarray(v) for k, v in each.calc.results.items()}) for each in frames]
    assert f"state stress_order: {order}" in faults(frames)[0]


def test_sums_of_wannier_displacements_are_named():
    frames = []
    for frame in FEW:
        formal = np.where(frame.numbers == 8, -2.0, 1.0) @ frame.positions
        frames.append(
            with_labels(frame, frame.calc.results | {"dipole": (formal - frame.get_dipole_moment()) / 2})
        )
    assert "sums of displacements of Wannier centres; state dipole: wannier" in faults(frames)[0]


def test_stated_units_are_named_where_they_are_wrong():
    """The factor is that of what the file holds, whatever it was taken for."""
    read = in_units(in_units(FEW, forces="hartree/bohr"), forces="eV/angstrom")
    taken = [with_labels(f, f.calc.results | {"forces": 1.889726 * f.calc.results["forces"]}) for f in read]
    (sentence,) = faults(taken, units={"forces": "eV/bohr"})
    assert "state units.forces: hartree/bohr (factor 27.2114)" in sentence


def test_one_frame_without_hydrogen_turns_nothing_off():
    oxygen = Atoms("O2", [[0, 0, 0], [1.21, 0, 0]], cell=[8, 8, 8], pbc=True, info={"source": "oxygen_0"})
    oxygen = with_labels(oxygen, {"energy": -864.0, "forces": np.zeros((2, 3))})
    frames = in_units(FEW, forces="kJ/mol/nm")
    with pytest.raises(CampaignError, match=r"state units\.forces: kJ/mol/nm \(factor 0\.00103643\)"):
        check_frames([*frames, oxygen], ["O", "H"], force_limit=1e9)


def labelled(frame, calculator):
    frame.calc = calculator
    labels = {name: getattr(frame, f"get_{name}")() for name in ("forces", "stress")}
    return with_labels(frame, labels | {"energy": frame.get_potential_energy()})


def rattled(crystal, calculator, amount, count=20):
    frames = []
    for seed in range(count):
        frame = crystal.copy()
        frame.rattle(amount, seed=seed)
        frames.append(labelled(frame, calculator))
    return frames


ARGON = rattled(
    bulk("Ar", "fcc", 5.4, cubic=True).repeat(3), LennardJones(sigma=3.405, epsilon=0.01032, rc=8.0), 0.2
)
COPPER = rattled(bulk("Cu", "fcc", 3.6, cubic=True).repeat(2), EMT(), 0.08)
OTHERS = {"argon": ARGON, "copper": COPPER}


@pytest.mark.parametrize("name", OTHERS)
def test_other_substances_pass(name):
    assert not faults(OTHERS[name])


@pytest.mark.parametrize(
    ("quantity", "unit"), [each for each in ALONE if each[0] in ("forces", "energy", "stress")]
)
@pytest.mark.parametrize("name", OTHERS)
def test_wrong_units_of_other_substances_are_refused(name, quantity, unit):
    assert faults(in_units(OTHERS[name], **{quantity: unit}))


def test_a_scan_of_volumes_tells_the_sign_and_the_unit_of_stresses():
    """The forces are nought by symmetry; the energy tells the work of the stress."""
    frames = [labelled(bulk("Cu", "fcc", edge, cubic=True), EMT()) for edge in np.linspace(3.5, 3.7, 9)]
    assert not faults(frames)
    for unit in ("-eV/angstrom^3", "kbar", "GPa"):
        assert faults(in_units(frames, stress=unit)), unit


def test_pressures_beyond_a_million_bar_are_refused():
    frames = [
        with_labels(frame, frame.calc.results | {"stress": np.full(6, 2e6 * units.BAR)}) for frame in FEW[:2]
    ]
    assert "bar, expected at most 1e+06" in faults(frames)[0]


def test_most_frames_dropped_by_one_limit_are_told_as_a_matter_of_units():
    with pytest.raises(CampaignError, match=r"the units of the forces are the likely cause") as refusal:
        check_frames(FEW, ["O", "H"], force_limit=2.8, name="mine.extxyz")
    assert re.search(r"\d+ of 40 frames have a force above 2.8 eV/Å", str(refusal.value))


def test_net_forces_grow_with_the_root_of_the_number_of_atoms():
    """Independent errors of 0.06 eV/Å leave large cells and small ones in; whoever has larger ones is left out."""
    generator = np.random.default_rng(1)

    def noisy(frames, error):
        changed = (frame.get_forces() + generator.normal(0.0, error, (len(frame), 3)) for frame in frames)
        return [
            with_labels(f, {"energy": f.get_potential_energy(), "forces": c})
            for f, c in zip(frames, changed, strict=True)
        ]

    large = [labelled_copies(frame, 6) for frame in FEW[:3]]
    kept, table = check_frames([*noisy(FEW[3:7], 0.02), *noisy(large, 0.02)], ["O", "H"], force_limit=30.0)
    assert len(kept) == 7
    assert table.net_force[4:].max() > 0.02 * np.sqrt(48)
    table = check_frames([*FEW[:9], *noisy(FEW[9:13], 0.3)], ["O", "H"], force_limit=30.0)[1]
    reason = "a net force above 0.1 eV/Å times the root of the number of atoms"
    assert (table.reason[9:] == reason).sum() >= 3
    with pytest.raises(CampaignError, match=r"errors in the forces or a wrong unit are the likely cause"):
        check_frames(noisy(FEW[:5], 0.4), ["O", "H"], force_limit=30.0)


def labelled_copies(frame, count):
    """So many copies of a frame beside each other."""
    whole = frame.repeat((count, 1, 1))
    forces = np.tile(frame.get_forces(), (count, 1))
    return with_labels(whole, {"energy": count * frame.get_potential_energy(), "forces": forces})


@pytest.mark.parametrize(
    ("quantity", "unit", "expected"),
    [
        ("energy", "Hartree", 27.211386245988),
        ("energy", "kJ/mol", 0.010364269656),
        ("energy", "eV / atom", 1.0),
        ("forces", "Ha/Bohr", 51.422067476),
        ("forces", "-Ha/bohr", -51.422067476),
        ("forces", "kcal/mol/Å", 0.0433641042),
        ("forces", "kJ/mol/nm", 0.0010364269656),
        ("forces", "a.u.", 51.422067476),
        ("forces", "10 kJ/mol/angstrom", 0.103642696),
        ("energy", "-1e-3 hartree", -0.0272113862),
        ("stress", "GPa", 0.0062415091),
        ("stress", "eV/A^3", 1.0),
        ("stress", "eV/Å³", 1.0),
        ("stress", "Ha/bohr^3", 183.6315354),
        ("virial", "kcal/mol", 0.0433641042),
        ("dipole", "Debye", 0.20819433271),
        ("dipole", "e*bohr", 0.529177210903),
        ("dipole", "e Å", 1.0),
        ("dipole", "eA", 1.0),
        ("positions", "Bohr", 0.529177210903),
        ("positions", "nm", 10.0),
    ],
)
def test_factors(quantity, unit, expected):
    assert factor(quantity, unit) == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize(
    ("quantity", "unit"),
    [("energy", "eVV"), ("forces", "eV"), ("stress", "eV"), ("dipole", "e")],
)
def test_unknown_units_are_no_units(quantity, unit):
    with pytest.raises(ValueError, match="unknown unit"):
        factor(quantity, unit)


def test_stated_units_give_back_the_labels_of_ase():
    stated = {"energy": "kcal/mol/atom", "forces": "-hartree/bohr", "stress": "-kbar", "dipole": "debye"}
    stated["positions"] = "bohr"
    for found, frame in zip(in_units(FEW[:3], **stated), FEW, strict=False):
        back = in_internal_units(found, Conventions(units=stated), "mine")
        np.testing.assert_allclose(back.positions, frame.positions, rtol=1e-12)
        np.testing.assert_allclose(back.cell.array, frame.cell.array, rtol=1e-12)
        for label, value in frame.calc.results.items():
            np.testing.assert_allclose(back.calc.results[label], value, rtol=1e-12)
