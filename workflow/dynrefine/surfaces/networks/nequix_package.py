"""The package nequix, which only campaigns that name it need."""

from importlib import import_module
from typing import Any

from dynrefine.campaign.numerics import numerics
from dynrefine.config.foundation import unlike_its_file
from dynrefine.config.surfaces.nequix import NequixSettings
from dynrefine.errors import CampaignError


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
            "run pip install --no-deps -r envs/nequix.txt, as described in docs/equivariant_networks.md."
        ) from error


def load_foundation(settings: NequixSettings) -> tuple[Any, dict[str, Any]]:
    """The network that a potential starts from, and the other contents of its file.

    Raises:
        CampaignError: the file is not the one that the settings describe.
    """
    assert settings.foundation is not None
    for difference in unlike_its_file(settings):
        raise CampaignError(difference)
    with numerics("float32"):  # the precision of the arrays in such files
        return package().load_model(settings.foundation.path)
