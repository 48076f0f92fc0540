"""Plug-ins chosen by name: modules of the library, or modules of other packages by their dotted names."""

import importlib
import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

from dynrefine.errors import CampaignError


def plug_in(folder: str, name: str) -> ModuleType:
    """The module of this name in a folder of the library; a name with a dot belongs to a module elsewhere.

    Raises:
        CampaignError: there is no such module.
    """
    path = path_of(folder, name)
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{path}.".startswith(f"{error.name}."):
            raise
        raise CampaignError(
            f"'{name}' is not among the {folder} of dynrefine, expected one of them or the dotted name of a module "
            "that Python finds: correct it, or install the package that holds it."
        ) from error


def settings_class(folder: str, name: str) -> type[Any]:
    """The settings of a module outside the library: the class `Settings` of the module `<name>_settings` beside it.

    Raises:
        CampaignError: there is none.
    """
    return plug_in(folder, f"{name}_settings").Settings


def is_found(folder: str, name: str) -> bool:
    """Whether there is a module of this name; only the packages around it are imported."""
    try:
        return importlib.util.find_spec(path_of(folder, name)) is not None
    except ImportError:
        return False


def modules_with(folder: str, constant: str) -> list[str]:
    """The names of the modules in a folder of the library that assign a constant; none of them is imported."""
    texts = {
        path.stem: path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob(f"{folder}/*.py")
    }
    return sorted(name for name, text in texts.items() if f"\n{constant} = " in text)


def path_of(folder: str, name: str) -> str:
    """The dotted path of a module by its name."""
    return name if "." in name else f"dynrefine.{folder}.{name}"
