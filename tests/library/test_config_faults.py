"""What can be known of a configuration and its files before the first job is said before the first job."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from dynrefine.config import check_files, load_config
from dynrefine.config.properties.transport import DiffusionSettings
from dynrefine.datasets.reading import read_frames
from dynrefine.datasets.writing import write_frames
from dynrefine.errors import CampaignError
from dynrefine.files.tables import read_measured

ROOT = Path(__file__).parents[2]
TOY = ROOT / "tests/config/toy.yaml"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "workflow").symlink_to(ROOT / "workflow")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def changed(values, path, value):
    *parents, last = path
    for part in parents:
        values = values[part] if isinstance(part, int) else values.setdefault(part, {})
    if value is None:
        values.pop(last, None)
    else:
        values[last] = value


def toy(*changes):
    values = yaml.safe_load(TOY.read_text(encoding="utf-8"))
    for path, value in changes:
        changed(values, path, value)
    return values


def sentences(*changes):
    with pytest.raises(CampaignError) as refusal:
        check_files(load_config(toy(*changes)))
    return str(refusal.value).splitlines()


INFRARED = ("objective", "observables", "infrared")
OWN_DIPOLE = ("surfaces", "dipole")
ARGON = "workflow/data/targets/argon_structure_factor_85K.csv"
SHORT = {"kind": "intermediate_scattering", "momentum_transfer": 2, "window": 36}
PATH_INTEGRALS = ("validation", "path_integrals")
STRUCTURE = ("validation", "properties", "rdf")
UNMEASURED = (*STRUCTURE, "target"), None
STATE = {"temperature": 300, "density": 0.997}
STANDING = ("validation", "properties", "diffusion"), None


def elements(*rows):
    return [(("elements",), [dict(zip(("symbol", "mass", "charge"), row, strict=True)) for row in rows])]


HEAVY = [(("ensemble", "masses"), None)]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            [(("objective", "observables"), {})],
            "objective.observables is empty, expected at least one measured property to refine against: add "
            "one, such "
            "as infrared or diffusion.",
        ),
        (
            [((*STRUCTURE, "pair"), ["O", "N"])],
            "validation.properties.rdf names the element 'N', expected one of O, H: correct it.",
        ),
        (
            [((*PATH_INTEGRALS, "sampling_interval"), 0.9)],
            "validation.path_integrals.sampling_interval is 0.9 fs, expected a multiple of "
            "validation.path_integrals.timestep, 0.25 fs: change one of them.",
        ),
        (
            [((*PATH_INTEGRALS, "states"), ["298K"])],
            "validation.path_integrals.states has 298K, expected one of 300K: correct or remove it.",
        ),
        (
            [((*PATH_INTEGRALS, "length"), 0.09)],
            "validation.path_integrals.length is 0.09 ps, expected at least 5 times its sampling_interval, 0.1 ps, "
            "for error bars: lengthen the run or record more often.",
        ),
        (
            [((*STRUCTURE, "bin"), 7.0)],
            "validation.properties.rdf.bin is 7 Å, expected at most validation.properties.rdf.longest, 6 Å: "
            "lower it.",
        ),
        (
            elements(("O", 15.999, -2), ("H", 1.008, 2)),
            "elements gives the first frame of workflow/data/water16/frames.extxyz the charge +32 e (16 O of "
            "-2, 32 H of +2), expected 0, since the dipole and current of a charged cell depend on the frame "
            "of reference: correct elements[*].charge.",
        ),
        (
            [
                *elements(("O", 15.999, 0), ("H", 1.008, 0)),
                (("validation", "properties", "conductivity"), {"window": 30.0}),
            ],
            "validation.properties.conductivity is given where all elements[*].charge are 0, expected the formal "
            "charges of the ions, which carry the current: correct them.",
        ),
        (
            [(("states", 0, "density"), 997)],
            "states[0].density is 997 g/cm³, expected at most 30, since nothing is denser than osmium: give it in "
            "g/cm³ (997 kg/m³ is 0.997).",
        ),
        (
            [(("states", 0, "temperature"), True)],
            "states[0].temperature is true, expected a number (YAML reads yes, no, on and off as true and false): "
            "correct it.",
        ),
        (
            [((*INFRARED, "bands"), [{"range": [False, 3000]}])],
            "objective.observables.infrared.bands[0].range[0] is false, expected a number (YAML reads yes, no, "
            "on and "
            "off as true and false): correct it.",
        ),
        (
            [(("ensemble", "masses"), {"H": True})],
            "ensemble.masses.H is true, expected a number (YAML reads yes, no, on and off as true and false): "
            "correct it.",
        ),
        (
            [((*INFRARED, "window"), 1.0)],
            "objective.observables.infrared.window is 1 fs, expected at least trajectory.sampling_interval, 2 fs: "
            "lengthen the window or record more often.",
        ),
        (
            [(("validation", "properties", "diffusion", "window"), 1.0)],
            "validation.properties.diffusion.window is 1 fs, expected at least trajectory.sampling_interval, 2 fs: "
            "lengthen the window or record more often.",
        ),
        (
            [(("validation", "properties", "structure_factor"), {"target": ARGON, "range": [0, 12]})],
            f"validation.properties.structure_factor.range is [0, 12], expected a part of the measured range, 0.0294 "
            f"to 11.7474 1/Å in {ARGON}: narrow it.",
        ),
        (
            [(("validation", "properties", "scattering"), SHORT | {"momentum_transfer": 0.2})],
            "validation.properties.scattering.momentum_transfer is 0.2 1/Å, expected at least 0.802 1/Å, the "
            "shortest wave vector of that state's cell: raise it or enlarge states[0].supercell.",
        ),
        (
            [
                (
                    ("validation", "properties", "scattering"),
                    SHORT | {"target": ARGON},
                )
            ],
            f"validation.properties.scattering.target is '{ARGON}', measured from 0.0294 to 11.7474 fs, expected "
            "all lags from 0 to validation.properties.scattering.window, 36 fs: shorten the window, or give another "
            "file.",
        ),
        (
            [(("validation", "properties", "van_hove"), {"time": 0, "longest": 5})],
            "validation.properties.van_hove.longest is 5 Å, expected at most 3.92 Å, 0.5 widths of that state's "
            "cell: lower it or enlarge states[0].supercell.",
        ),
        (
            [((*INFRARED, "bands"), [{"range": [1010, 1190]}])],
            "objective.observables.infrared.bands[0].range is [1010, 1190] cm⁻¹, expected at least one "
            "multiple of objective.observables.infrared.resolution, 200 cm⁻¹, in it, since spectra are compared at "
            "these: widen the band or lower the resolution.",
        ),
        (
            [((*INFRARED, "maxima"), {"bend": [1500, 1800]})],
            "objective.observables.infrared.maxima.bend is [1500, 1800] cm⁻¹, expected the lower wavenumber first, "
            "and 5 times objective.observables.infrared.resolution, 200 cm⁻¹, between the two: correct it, or lower "
            "the resolution.",
        ),
        (
            [((*INFRARED, "maxima"), {"stretch": [3000, 9000]})],
            "objective.observables.infrared.maxima.stretch is [3000, 9000] cm⁻¹, expected an end of at most 4000 "
            "cm⁻¹, where objective.observables.infrared.bands end: end it earlier, or a band later.",
        ),
        (
            [((*INFRARED, "bands"), [{"range": [2, 1000]}])],
            "objective.observables.infrared.bands[0].range is [2, 1000] cm⁻¹, expected a part of the "
            "measured range, 5 to 4500 cm⁻¹ in workflow/data/targets/water_infrared_298K.csv: narrow the band.",
        ),
        (
            [
                (
                    ("states",),
                    [{"temperature": 280, "density": 0.9999}, {"temperature": 350, "density": 0.9737}],
                ),
                UNMEASURED,
                STANDING,
            ],
            "objective.observables.infrared.target is workflow/data/targets/water_infrared_298K.csv for all of the "
            "states 280K, 350K, expected one for each temperature: give those of all states but one in "
            "objective.observables.infrared.targets, such as {350K: ...}.",
        ),
        (
            [
                (("validation", "states"), [STATE, STATE | {"temperature": 340}]),
                (("validation", "properties", "diffusion", "viscosity"), 0.85),
            ],
            "validation.properties.diffusion.viscosity is 0.85 for all of the states 300K, 340K, expected one for "
            "each temperature: give those of all states but one in validation.properties.diffusion.viscosities, such "
            "as {340K: ...}.",
        ),
        (
            [
                (("states",), [STATE, STATE | {"temperature": 340}]),
                ((*INFRARED, "targets"), {"340K": "workflow/data/targets/water_infrared_298K.csv"}),
                UNMEASURED,
                (("objective", "observables", "diffusion"), {"element": "O", "target": 2.3, "window": 36}),
                STANDING,
            ],
            "objective.observables.diffusion.target is 2.3 for all of the states 300K, 340K, expected one for each "
            "temperature: give those of all states but one in objective.observables.diffusion.targets, such as "
            "{340K: ...}.",
        ),
        (
            [((*INFRARED, "window"), 60), (("trajectory", "length"), 40)],
            "objective.observables.infrared.window is 60 fs, expected at most twice validation.length, 40 fs: "
            "shorten the window or lengthen the trajectories.",
        ),
        (
            [
                (
                    ("validation", "properties", "scattering"),
                    SHORT | {"radiation": "xray", "lengths": {"H": 6.7}},
                )
            ],
            "validation.properties.scattering.lengths is given where radiation is xray, expected neutron, since "
            "X-rays are not scattered by nuclei: remove it, or change radiation.",
        ),
        (
            [(("validation", "properties", "scattering"), SHORT | {"part": "self", "lengths": {"H": 6.7}})],
            "validation.properties.scattering.lengths is given where part is self, expected none, since atoms are "
            "weighted by their incoherent cross sections: remove it; deuterium is the element D.",
        ),
        (
            [((*INFRARED, "targets"), {"310K": "x.csv"})],
            "objective.observables.infrared.targets.310K is given, expected the name of a state (300K): correct it.",
        ),
        (
            [(("validation", "properties", "diffusion", "viscosities"), {"310K": 0.7})],
            "validation.properties.diffusion.viscosities.310K is given, expected the name of a state (300K): correct "
            "it.",
        ),
        (
            [(("potential", "triple_products"), 4), (("potential", "angular_momentum"), 1)],
            "potential.triple_products is 4, expected 0 where potential.angular_momentum is 1, since triple "
            "products need tensors: set it to 0, or angular_momentum to 2.",
        ),
        (
            [
                ((*OWN_DIPOLE, "surface"), {"kind": "dipole", "cutoff": 3.5}),
                ((*OWN_DIPOLE, "dataset", "files"), [{"url": "https://example.org/water"}]),
            ],
            "surfaces.dipole.dataset.files[0].sha256 is missing, expected the checksum of the download: add the "
            "output of sha256sum.",
        ),
        (
            [(("dataset", "atoms"), "64 H2O")],
            "dataset.atoms is '64 H2O', expected a formula such as O64H128: correct it.",
        ),
        (
            [(("dataset", "files"), ["frames{1}.extxyz"])],
            "dataset.files[0] is 'frames{1}.extxyz', expected no braces, which Snakemake takes for wildcards: rename "
            "it.",
        ),
    ],
)
def test_a_fault_is_one_sentence_before_the_first_job(folder, changes, sentence):
    assert sentences(*changes) == [sentence]


def test_swapped_masses_are_two_sentences(folder):
    found = sentences(*elements(("O", 1.008, -2), ("H", 15.999, 1)))
    assert [line.partition(",")[0] for line in found] == [
        "elements[0].mass is 1.008 u where its symbol is O",
        "elements[1].mass is 15.999 u where its symbol is H",
    ]


@pytest.mark.parametrize(
    "hydrogen", [("H", 1.008, 1), ("D", 2.014, 1), ("H", 2.014, 1), ("T", 3.016, 1)], ids=str
)
def test_isotopes_of_hydrogen_are_elements_that_the_frames_of_water_serve(folder, hydrogen):
    check_files(load_config(toy(*elements(("O", 15.999, -2), hydrogen), *HEAVY)))


@pytest.mark.parametrize("row", [("D", 1.008, 1), ("Xx", 1.0, 0), ("O", 12.0, -2)])
def test_masses_of_no_isotope_are_refused(folder, row):
    (sentence,) = sentences(*elements(("O", 15.999, -2) if row[0] == "D" else ("H", 1.008, 1), row), *HEAVY)[
        :1
    ]
    assert sentence.startswith("elements[1].")


def test_each_state_may_have_measurements_and_weights_of_its_own(folder):
    shutil.copy(ROOT / "workflow/data/targets/water_infrared_298K.csv", "hot.csv")
    states = [{"temperature": 300, "density": 0.997}, {"temperature": 350, "density": 0.9737}]
    own = (*INFRARED, "targets"), {"350K": "hot.csv"}
    config = load_config(toy((("states",), states), own, UNMEASURED, STANDING))
    check_files(config)
    infrared = config.objective.observables.infrared
    assert infrared.of_state("350K_0.9737", "350K").target == "hot.csv"
    assert infrared.of_state("300K").target.endswith("298K.csv")
    assert infrared.target_files == {"target": infrared.target, "targets.350K": "hot.csv"}
    numbers = {"target": 2.3, "target_error": 0.1, "weight": 1.0, "viscosity": 0.85}
    mappings = {"targets": 7.0, "target_errors": 7.0, "weights": 7.0, "viscosities": 7.0}
    own = {name: {"350K": value} for name, value in mappings.items()}
    diffusion = DiffusionSettings(element="O", **numbers, **own)
    for state, expected in (("350K", dict.fromkeys(numbers, 7.0)), ("300K", numbers)):
        assert diffusion.of_state(f"{state}_1", state).model_dump(include=set(numbers)) == expected
    Path("hot.csv").unlink()
    with pytest.raises(
        CampaignError, match=r"infrared\.targets\.350K is 'hot\.csv', expected an existing file"
    ):
        check_files(config)


@pytest.mark.parametrize("last", [2000.0, 3999.0])
def test_a_band_beyond_the_measured_range_is_refused(folder, last):
    lines = (ROOT / "workflow/data/targets/water_infrared_298K.csv").read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not line[0].isdigit() or float(line.split(",")[0]) <= last]
    Path("target.csv").write_text("\n".join(kept), encoding="utf-8")
    (sentence,) = sentences(((*INFRARED, "target"), "target.csv"))
    assert sentence.startswith(
        "objective.observables.infrared.bands[1].range is [1000, 4000] cm⁻¹, expected a part of the "
        "measured range, 5 "
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (",w,a\n0,100,1100\n1,200,1200\n", "its first column '' is the index of a table"),
        ("Unnamed: 0,w,a\n0,100,1100\n1,200,1200\n", "is the index of a table, not an abscissa"),
        ("index,w,a\n0,100,1100\n1,200,1200\n", "write it without the index (pandas: index=False)"),
        ("w,a\n100,5,1100,2\n200,5,1200,2\n", "line 2 has another number of fields (4) than the header (2)"),
        ("w;a\n100,5;1100,2\n200,5;1200,2\n", "line 1 is separated by semicolons or tabs"),
        ("w\ta\n100\t1100\n200\t1200\n", "line 1 is separated by semicolons or tabs"),
        ("100,1100\n200,1200\n300,1300\n", "its first row, 100,1100, holds numbers"),
        ("w,a\n100,1100\n200\n", "line 3 has another number of fields (1) than the header (2)"),
        ("w,a\n0,100,1100\n1,200,1200\n", "line 2 has another number of fields (3) than the header (2)"),
        ("w,a\n100,n/a\n200,1200\n", "line 2: could not convert string to float: 'n/a'"),
    ],
)
def test_tables_that_would_be_misread_are_refused(folder, content, said):
    Path("target.csv").write_text(content, encoding="utf-8")
    with pytest.raises(CampaignError, match=r"target\.csv cannot be read as a measured property") as refusal:
        read_measured("target.csv")
    assert said in str(refusal.value)
    (sentence,) = sentences(((*INFRARED, "target"), "target.csv"))
    assert sentence.startswith("objective.observables.infrared.target: target.csv cannot be read")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_tables_in_any_encoding_are_read(tmp_path, encoding, newline):
    content = newline.join(["# 25 °C", "", 'wavenumber,"n, a"', "5, 1.5", " 10,-2e1 # an outlier", ""])
    (tmp_path / "target.csv").write_bytes(content.encode(encoding))
    np.testing.assert_array_equal(read_measured(tmp_path / "target.csv"), [[5.0, 1.5], [10.0, -20.0]])


def test_columns_that_a_table_lacks_are_not_numbers(tmp_path):
    (tmp_path / "rdf.csv").write_text("distance_A,g\n2,0\n3,1.5\n")
    found = read_measured(tmp_path / "rdf.csv", columns=3)
    np.testing.assert_array_equal(found, [[2.0, 0.0, np.nan], [3.0, 1.5, np.nan]])


@pytest.mark.parametrize(
    ("path", "header", "said"),
    [
        ((*INFRARED, "target"), "frequency_THz,a", "expected wavenumbers in cm⁻¹"),
        ((*INFRARED, "target"), "wavelength (µm),a", "expected wavenumbers in cm⁻¹"),
        ((*STRUCTURE, "target"), "distance_nm,g", "expected distances in Å"),
        (
            ("validation", "properties", "vibrations", "target"),
            "frequency_THz,g",
            "expected wavenumbers in cm⁻¹",
        ),
        (
            ("validation", "properties", "structure_factor", "target"),
            "Q_1/nm,S",
            "expected momentum transfers in 1/Å",
        ),
    ],
)
def test_abscissae_in_another_unit_are_told_by_their_names(folder, path, header, said):
    Path("target.csv").write_text(f"{header}\n0,1\n5000,2\n", encoding="utf-8")
    assert any(said in sentence for sentence in sentences((path, "target.csv")))


def test_a_file_is_read_where_only_states_have_one(folder):
    judged = *STRUCTURE, "targets"
    (sentence,) = sentences(UNMEASURED, (judged, {"300K": "missing.csv"}))
    assert sentence.startswith(
        "validation.properties.rdf.targets.300K is 'missing.csv', expected an existing"
    )


def test_a_measured_structure_out_of_reach_is_refused(folder):
    Path("rdf.csv").write_text("distance_A,g\n250,0\n600,1\n")
    assert "measured from 250 to 600 Å" in sentences(((*STRUCTURE, "target"), "rdf.csv"))[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "campaign: {name: a}\nstates: []\ncampaign: {name: b}\n",
            "lines 1 and 3 both have the key campaign",
        ),
        ("campaign:\n  name: a\n  name: b\n", "lines 2 and 3 both have the key name"),
    ],
)
def test_a_key_given_twice_is_refused(tmp_path, text, said):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(CampaignError) as refusal:
        load_config(path)
    assert str(refusal.value) == (f"{path}, {said}, expected it once in its section: remove one of them.")


def test_anchors_and_merged_sections_are_no_keys_given_twice(tmp_path):
    path = tmp_path / "mine.yaml"
    text = TOY.read_text(encoding="utf-8").replace("- temperature: 300 # K", "- &one\n    temperature: 300")
    path.write_text(f"{text}\n", encoding="utf-8")
    load_config(path)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "latin-1"])
def test_a_configuration_in_another_encoding_is_told(tmp_path, encoding):
    path = tmp_path / "mine.yaml"
    path.write_bytes(TOY.read_text(encoding="utf-8").replace("³", "°").encode(encoding, errors="ignore"))
    with pytest.raises(
        CampaignError, match=r"is not in UTF-8 \(perhaps UTF-16\), expected a configuration in UTF-8"
    ):
        load_config(path)


def test_a_configuration_with_a_byte_order_mark_is_read(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_bytes(TOY.read_text(encoding="utf-8").encode("utf-8-sig"))
    load_config(path)


def test_a_dangling_link_in_the_place_of_the_results_is_told(folder):
    Path("results").symlink_to("scratch/gone")
    assert sentences() == [
        "results is a link to scratch/gone, which does not exist, expected a folder for the results: make that "
        "folder or "
        "remove the link."
    ]


WATERS = ROOT / "workflow/data/water16/frames.extxyz"
WIDE = ("potential", "cutoff"), 16.0
TOO_WIDE = (
    "potential.cutoff is 16 Å, expected at most 15.66 Å, 2 widths of that state's cell: lower it or enlarge "
    "states[0].supercell."
)


@pytest.mark.parametrize("scale", [1.0, 0.1])
def test_the_cell_of_a_cutoff_is_that_at_the_density_of_the_state(folder, scale):
    """Sampling begins at that density, whatever the density of the frames and the unit of their cells."""
    frame = read_frames(WATERS)[0]
    frame.set_cell(scale * frame.cell, scale_atoms=True)
    write_frames(Path("one.extxyz"), [frame])
    files = ("dataset", "files"), ["one.extxyz"]
    assert sentences(files, WIDE) == [TOO_WIDE]
    check_files(load_config(toy(files, WIDE, (("states", 0, "density"), 0.9))))


def test_the_smallest_cell_of_several_files_counts(folder):
    frame = read_frames(WATERS)[0]
    write_frames(Path("large.extxyz"), [frame * (2, 2, 2)])
    write_frames(Path("small.extxyz"), [frame])
    for files in (["large.extxyz", "small.extxyz"], ["small.extxyz", "large.extxyz"]):
        assert sentences((("dataset", "files"), files), WIDE) == [TOO_WIDE]
    check_files(load_config(toy((("dataset", "files"), ["large.extxyz"]), WIDE)))


def test_geometries_to_label_are_checked_as_frames_are(folder):
    geometries = [(("dataset",), None), (("labelling",), {"geometries": "geometries.extxyz"})]
    write_frames(Path("geometries.extxyz"), read_frames(WATERS)[:1])
    check_files(load_config(toy(*geometries)))
    assert sentences(*geometries, WIDE) == [TOO_WIDE]
    (sentence,) = sentences(*geometries, *elements(("O", 15.999, -2), ("H", 1.008, 2)))
    assert sentence.startswith("elements gives the first frame of geometries.extxyz the charge +32 e")


def test_paths_that_the_locale_cannot_write_are_told(folder, monkeypatch):
    Path("wässer.extxyz").touch()
    monkeypatch.setattr("sys.getfilesystemencoding", lambda: "ascii")
    assert sentences((("dataset", "files"), ["wässer.extxyz"])) == [
        "dataset.files[0] is 'w\\xe4sser.extxyz', expected a path in ASCII, since the locale encodes file names in "
        "ascii: set PYTHONUTF8=1 or LC_ALL=C.UTF-8, or rename it."
    ]


NETWORK = {"kind": "nequix", "cutoff": 3.5, "features": "4x0e + 2x1o", "layers": 1}
HEADER = {
    "cutoff": 3.5,
    "hidden_irreps": "4x0e + 2x1o",
    "lmax": 2,
    "n_layers": 1,
    "radial_basis_size": 8,
    "radial_mlp_size": 64,
    "radial_mlp_layers": 2,
    "radial_polynomial_p": 6.0,
    "mlp_init_scale": 4.0,
    "index_weights": True,
    "layer_norm": False,
    "atomic_numbers": [8, 1],
}
CHECKSUM = "4cc4ffa73b6ad66b0b1c2a5e0f0b3c1b0d2a4b8d0a5d8c0cbd1b5f1f4ac8e1b2"


@pytest.fixture
def network(folder):
    """The section of a potential that begins with a file, of which only the first line is read here."""
    content = json.dumps(HEADER).encode() + b"\nweights"
    Path("foundation.nqx").write_bytes(content)
    file = {"path": "foundation.nqx", "sha256": hashlib.sha256(content).hexdigest()}
    return NETWORK | {"foundation": file, "known_elements": ["O", "H"]}


def test_a_network_like_its_foundation_is_accepted(network):
    check_files(load_config(toy((("potential",), network))))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"layers": 3}, "potential.layers is 3, expected 1 as in foundation.nqx: "),
        (
            {"known_elements": ["O", "H", "Si"]},
            "potential.known_elements is ['H', 'O', 'Si'], expected ['H', 'O'] ",
        ),
        (
            {"known_elements": ["O"]},
            "potential.known_elements lacks H, expected chemical symbols that include those",
        ),
        (
            {"known_elements": ["O", "H", "Xx"]},
            "potential.known_elements has Xx, expected chemical symbols that include",
        ),
        (
            {"features": "4x0e + 2x1o + 2x1o"},
            "potential.features is '4x0e + 2x1o + 2x1o', expected each representat",
        ),
        (
            {"foundation": {"path": "foundation.nqx", "sha256": CHECKSUM}},
            f"potential.foundation.sha256 is {CHECKSUM}, expected ",
        ),
        (
            {"foundation": {"path": "none.nqx", "sha256": CHECKSUM}},
            "potential.foundation.path is 'none.nqx', expected an existing file",
        ),
    ],
)
def test_a_network_unlike_its_foundation_is_refused(network, changes, sentence):
    (found,) = sentences((("potential",), network | changes))
    assert found.startswith(sentence)


def test_the_foundation_of_a_teacher_is_checked_too(network):
    (found,) = sentences(
        (("validation", "properties", "pressure"), {"synthetic": True, "scale": 1000}),
        (("teacher",), {"potential": network | {"layers": 3}}),
    )
    assert found.startswith("teacher.potential.layers is 3, expected 1 as in foundation.nqx: ")


def test_a_network_from_a_file_does_without_its_foundation(network):
    Path("foundation.nqx").unlink()
    (found,) = sentences((("potential",), network | {"file": "refined.npz"}))
    assert found.startswith("potential.file is 'refined.npz', expected an existing file")


def test_a_foundation_of_another_program_is_refused(network):
    Path("foundation.nqx").write_bytes(b"PK\x03\x04 something else")
    (found,) = sentences((("potential",), network))
    assert found.startswith(
        "potential.foundation.path: foundation.nqx does not begin like a network of nequix"
    )
