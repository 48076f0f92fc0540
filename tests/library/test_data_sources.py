"""Files of one data set: their frames keep different names, and two levels of theory are never mixed."""

import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from dynrefine.config import load_config
from dynrefine.config.load import check_files
from dynrefine.datasets.checking import check_frames
from dynrefine.datasets.conventions import Conventions, with_labels
from dynrefine.datasets.reading import read_frames
from dynrefine.datasets.sources import read_sources
from dynrefine.datasets.splitting import series_and_index, split_by_blocks
from dynrefine.datasets.writing import write_frames
from dynrefine.errors import CampaignError

ROOT = Path(__file__).parents[2]
WATER = read_frames(ROOT / "workflow/data/water16/frames.extxyz")


def written(path, frames, shift=0.0, names=True, **info):
    """A file of frames whose energies are shifted and which have this in their second lines."""
    changed = []
    for frame in frames:
        labels = frame.calc.results
        other = with_labels(frame, labels | {"energy": labels["energy"] + shift})
        other.info |= info
        if not names:
            del other.info["source"]
        for key, value in info.items():
            if value is None:
                del other.info[key]
        changed.append(other)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_frames(path, changed)
    return str(path)


def checked(paths):
    sources = read_sources([(path, Conventions()) for path in paths], ["O", "H"])
    frames = [frame for source in sources for frame in source.frames]
    return check_frames(frames, ["O", "H"], force_limit=30.0, sources=sources)


def test_two_named_levels_of_theory_are_refused(tmp_path):
    paths = [
        written(tmp_path / "a.extxyz", WATER[:40]),
        written(tmp_path / "b.extxyz", WATER[40:80], label_method="BLYP-D3/TZV2P-GTH"),
    ]
    with pytest.raises(
        CampaignError, match=r"40 frames of revPBE-D3/TZV2P-GTH and 40 frames of BLYP-D3/TZV2P-GTH"
    ):
        checked(paths)


@pytest.mark.parametrize("shift", [-37.0, 10.0, 200.0])
@pytest.mark.parametrize("second", [8, 40])
def test_two_levels_without_a_name_are_told_by_their_energies(tmp_path, shift, second):
    paths = [
        written(tmp_path / "a.extxyz", WATER[:40], label_method=None),
        written(tmp_path / "b.extxyz", WATER[40 : 40 + second], shift, label_method=None),
    ]
    with pytest.raises(CampaignError, match="seem to be of two levels of theory") as refusal:
        checked(paths)
    assert all(f"{count}" in str(refusal.value) for count in (40, second))
    assert all(path in str(refusal.value) for path in paths)
    apart = float(re.search(r"([\d.e+]+) eV apart", str(refusal.value))[1])
    assert apart == pytest.approx(abs(shift), abs=1.0)


def test_two_levels_in_one_file_are_refused_too(tmp_path):
    written(tmp_path / "b.extxyz", WATER[40:80], -37.0)
    frames = [*WATER[:40], *read_frames(tmp_path / "b.extxyz")]
    with pytest.raises(CampaignError, match="fall into two groups of 40 and 40 frames 3[67]"):
        checked([written(tmp_path / "both.extxyz", frames)])


def test_one_level_at_several_temperatures_and_densities_passes(tmp_path):
    kept, _ = checked([written(tmp_path / "a.extxyz", WATER, label_method=None)])
    assert len(kept) == len(WATER)


def test_single_outliers_are_left_out_not_refused(tmp_path):
    frames = [*WATER[:40], with_labels(WATER[40], WATER[40].calc.results | {"energy": 0.0})]
    kept, table = checked([written(tmp_path / "a.extxyz", frames)])
    assert len(kept) == 40
    assert "deviations" in table.reason.iloc[-1]


@pytest.mark.parametrize(
    "names", [("a/frames.extxyz", "b/frames.extxyz"), ("frames.extxyz", "b/frames.extxyz")]
)
@pytest.mark.parametrize("named", [True, False])
def test_files_of_one_name_keep_series_of_their_own(tmp_path, names, named):
    shares = (WATER[:40], [*WATER[40:46], *WATER[:34]]) if named else (WATER[:40], WATER[40:80])
    paths = [written(tmp_path / name, share, names=named) for name, share in zip(names, shares, strict=True)]
    sources = read_sources([(path, Conventions()) for path in paths])
    every = [frame.info["source"] for source in sources for frame in source.frames]
    assert len(set(every)) == len(every) == 80
    series = [{series_and_index(frame)[0] for frame in source.frames} for source in sources]
    assert not series[0] & series[1]
    # neighbours in time stay together
    parts = split_by_blocks(sources[1].frames, {"train": 0.8, "validation": 0.1, "test": 0.1}, 5, seed=1)
    part_of = {id(frame): part for part, frames in parts.items() for frame in frames}
    cuts = sum(
        part_of[id(one)] != part_of[id(other)]
        for one, other in zip(sources[1].frames[:-1], sources[1].frames[1:], strict=True)
    )
    assert cuts <= 8


def test_folders_that_differ_behind_a_point_are_different_series(tmp_path):
    for number in (0, 1):
        folder = tmp_path / f"system.{number:03d}"
        (folder / "set.000").mkdir(parents=True)
        (folder / "type.raw").write_text("0\n1\n1\n")
        (folder / "type_map.raw").write_text("O H")
        np.save(folder / "set.000/coord.npy", np.random.default_rng(number).random((3, 9)))
        np.save(folder / "set.000/box.npy", np.tile(5.0 * np.eye(3).ravel(), (3, 1)))
    sources = read_sources([(str(tmp_path / f"system.{number:03d}"), Conventions()) for number in (0, 1)])
    names = [series_and_index(frame)[0] for source in sources for frame in source.frames]
    assert names == ["system.000"] * 3 + ["system.001"] * 3


def configuration(**dataset):
    values = yaml.safe_load((ROOT / "tests/config/toy.yaml").read_text(encoding="utf-8"))
    values["dataset"] |= dataset
    return values


URLS = [{"url": f"https://host/{place}/content", "sha256": place * 64} for place in "ab"]


def test_downloads_of_one_name_become_files_of_their_own():
    files = load_config(configuration(files=URLS)).dataset.files
    assert [file.path for file in files] == ["resources/content-aaaaaaaa", "resources/content-bbbbbbbb"]
    alone = load_config(configuration(files=URLS[:1])).dataset.files
    assert [file.path for file in alone] == ["resources/content"]


def refused(values):
    with pytest.raises(CampaignError) as refusal:
        check_files(load_config(values))
    return str(refusal.value)


def test_downloads_with_one_stated_path_and_files_listed_twice_are_refused():
    both = [{**url, "path": "resources/frames.extxyz"} for url in URLS]
    assert refused(configuration(files=both)) == (
        "dataset.files[1].path is 'resources/frames.extxyz', the same as dataset.files[0], expected each file once: "
        "change or remove it."
    )
    twice = ["workflow/data/water16/frames.extxyz", "workflow/data/water16/../water16/frames.extxyz"]
    assert ", the same as dataset.files[0], expected each file once" in refused(configuration(files=twice))


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        (
            {"units": {"forces": "eV"}},
            "dataset.units.forces is 'eV', expected a unit such as eV/angstrom, hartree/bohr",
        ),
        (
            {"units": {"stress": "psi"}},
            "dataset.units.stress is 'psi', expected a unit such as eV/angstrom^3, GPa",
        ),
        (
            {"files": [{"path": "x", "units": {"energy": "e"}}]},
            "dataset.files[0].units.energy is 'e', expected a unit",
        ),
        ({"symbols": {"OW": "Ow"}}, "dataset.symbols.OW is 'Ow', expected a chemical symbol"),
    ],
)
def test_units_and_symbols_that_do_not_exist_are_refused(stated, said):
    assert said in refused(configuration(**stated))
