import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ENVIRONMENTS = Path(__file__).parents[2] / "envs"
PIP_NAMES = {"matplotlib-base": "matplotlib", "snakemake-minimal": "snakemake"}
NOT_FROM_PIP = {"python", "cp2k"}


def pip_versions(python):
    lines = (ENVIRONMENTS / "requirements.txt").read_text().splitlines()
    pins = [Requirement(line) for line in lines if not line.startswith("#")]
    chosen = [pin for pin in pins if pin.marker is None or pin.marker.evaluate({"python_version": python})]
    return {pin.name: str(pin.specifier).removeprefix("==") for pin in chosen}


@pytest.mark.parametrize("path", sorted(ENVIRONMENTS.glob("*.yaml")), ids=lambda path: path.name)
def test_conda_and_pip_install_the_same_versions(path):
    conda = dict(re.findall(r"^  - ([\w-]+) =([\w.]+)", path.read_text(), flags=re.MULTILINE))
    shared = {
        PIP_NAMES.get(name, name): version for name, version in conda.items() if name not in NOT_FROM_PIP
    }
    pip = pip_versions(conda["python"])
    assert {name: pip.get(name) for name in shared} == shared
