"""What a network file of the package nequix says about itself, read without the package.

    python -m dynrefine.config.foundation foundation.nqx

prints the section `potential` of a configuration whose training starts from that network.
"""

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from ase.data import chemical_symbols

from dynrefine.config.surfaces.nequix import NequixSettings
from dynrefine.errors import CampaignError

# The keys of the configuration by their names in the package.
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


def section_of(path: str | Path) -> dict[str, Any]:
    """The section `potential` of a configuration that starts from the network in a file.

    Raises:
        CampaignError: the file is unreadable, or not one of nequix.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise CampaignError(f"{path} cannot be read ({error.strerror}): put the file there.") from error
    try:
        said = json.loads(content.partition(b"\n")[0])
        own = {key: said[name] for name, key in ARGUMENTS.items()}
        known = [chemical_symbols[number] for number in sorted(said["atomic_numbers"])]
    except (ValueError, KeyError, TypeError) as error:
        raise CampaignError(
            f"{path} does not begin like a network of nequix ({error}), expected a file written by "
            "nequix.model.save_model (.nqx): give another."
        ) from error
    foundation = {"path": str(path), "sha256": hashlib.sha256(content).hexdigest()}
    return {"kind": "nequix", "foundation": foundation, **own, "known_elements": known}


def unlike_its_file(potential: NequixSettings, key: str = "potential") -> Iterator[str]:
    """A sentence for each setting in which a potential differs from its foundation.

    Arguments:
        potential: the settings.
        key: of these settings.

    Raises:
        CampaignError: the file is unreadable, or not one of nequix.
    """
    if potential.foundation is None:
        return
    path = potential.foundation.path
    file = section_of(path)
    found, expected = file["foundation"]["sha256"], potential.foundation.sha256
    if found != expected:
        yield (
            f"{key}.foundation.sha256 is {expected}, expected {found}, the SHA-256 of {path}: put the right file "
            "there, or correct it."
        )
    known = sorted(potential.known_elements or [], key=chemical_symbols.index)
    own = potential.model_dump() | {"known_elements": known}
    for name in (*ARGUMENTS.values(), "known_elements"):
        if own[name] != file[name]:
            yield (
                f"{key}.{name} is {own[name]}, expected {file[name]} as in {path}: correct it; python -m "
                f"dynrefine.config.foundation {path} prints the whole section."
            )


def main() -> None:
    """Read the command line and print the section."""
    written = {"potential": section_of(sys.argv[1])}
    print(yaml.safe_dump(written, sort_keys=False, default_flow_style=None), end="")


if __name__ == "__main__":
    try:
        main()
    except CampaignError as error:
        sys.exit(f"error: {error}")
