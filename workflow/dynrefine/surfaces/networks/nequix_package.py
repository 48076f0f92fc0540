"""The package nequix, which is needed where a campaign names it, and its files of networks.

    python -m dynrefine.surfaces.networks.nequix_package foundation.nqx

prints the section `potential` of a configuration that begins with a file.
"""

import hashlib
import json
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml
from ase.data import chemical_symbols

from dynrefine.campaign.numerics import numerics
from dynrefine.errors import CampaignError

# What the package calls the keys of the configuration.
ARGUMENTS: Mapping[str, str] = {
    "cutoff": "cutoff",
    "hidden_irreps": "features",
    "lmax": "angular_momentum",
    "n_layers": "layers",
    "radial_basis_size": "radial_functions",
    "radial_mlp_size": "radial_width",
    "radial_mlp_layers": "radial_layers",
    "radial_polynomial_p": "envelope_power",
    "mlp_init_scale": "initial_scale",
    "index_weights": "element_weights",
    "layer_norm": "layer_norm",
}


def package() -> Any:
    """The module nequix.model.

    Raises:
        CampaignError: it, or what it needs, is not installed.
    """
    try:
        return import_module("nequix.model")
    except ImportError as error:
        raise CampaignError(
            f"a potential of kind nequix needs the package nequix, which cannot be imported ({error}): "
            "pip install --no-deps -r envs/nequix.txt, as docs/equivariant_networks.md says."
        ) from error


def load_network(
    path: str | Path, sha256: str, arguments: Mapping[str, Any], numbers: tuple[int, ...]
) -> tuple[Any, dict[str, Any]]:
    """The network in a file of the package, and what the file says of it.

    Arguments:
        path: the file (.nqx).
        sha256: its checksum, 64 hexadecimal digits.
        arguments: of the network, as the configuration gives them.
        numbers: atomic numbers of the elements that it knows.

    Raises:
        CampaignError: the file is another, or holds a network of another architecture.
    """
    found = hashlib.sha256(_content(path)).hexdigest()
    if found != sha256:
        raise CampaignError(
            f"{path} has the SHA-256 {found}, expected {sha256}, potential.foundation.sha256: put the right file "
            "there, or correct the checksum."
        )
    said = _header(path)
    expected = {own: arguments[name] for name, own in ARGUMENTS.items()}
    expected["known_elements"] = [chemical_symbols[number] for number in numbers]
    for key, value in _keys(said).items():
        if value != expected[key]:
            raise CampaignError(
                f"potential.{key} is {expected[key]}, expected {value} as in {path}: change it, or write what "
                f"python -m {__name__} {path} prints."
            )
    with numerics("float32"):  # that of the arrays in such files
        return package().load_model(str(path))


def _keys(said: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of the configuration that describe the network of a file."""
    own = {key: said[name] for name, key in ARGUMENTS.items()}
    return own | {"known_elements": [chemical_symbols[number] for number in sorted(said["atomic_numbers"])]}


def _header(path: str | Path) -> dict[str, Any]:
    """What a file says of its network, in its first line."""
    try:
        said = json.loads(_content(path).partition(b"\n")[0])
        _keys(said)
    except (ValueError, KeyError, TypeError) as error:
        raise CampaignError(
            f"{path} does not begin as a network of nequix does ({error}), expected a file that "
            "nequix.model.save_model wrote (.nqx): give another."
        ) from error
    return said


def _content(path: str | Path) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise CampaignError(f"{path} cannot be read ({error.strerror}): put the file there.") from error


def section_of(path: str | Path) -> dict[str, Any]:
    """The section `potential` of a configuration that begins with this file.

    Raises:
        CampaignError: the file is not one of the package.
    """
    foundation = {"path": str(path), "sha256": hashlib.sha256(_content(path)).hexdigest()}
    return {"kind": "nequix", "foundation": foundation} | _keys(_header(path))


def main() -> None:
    """Read the command line and print the section."""
    written = {"potential": section_of(sys.argv[1])}
    print(yaml.safe_dump(written, sort_keys=False, default_flow_style=None), end="")


if __name__ == "__main__":
    try:
        main()
    except CampaignError as error:
        sys.exit(f"error: {error}")
