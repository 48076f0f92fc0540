"""The origin of a result: hashes of the sources and settings, versions of the libraries."""

import ast
import hashlib
import importlib.util
import json
import platform
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dynrefine import __version__

PACKAGE = Path(__file__).parents[1]
LIBRARIES = ("jax", "jaxlib", "numpy", "scipy", "optax", "ase")

NUMERICS = "dynrefine.campaign.numerics"  # which `jax_setup` uses to set JAX up
_BOOKKEEPING = {"dynrefine.campaign", "dynrefine.config", "dynrefine.errors", "dynrefine.registry"}


def config_hash(settings: Mapping[str, Any]) -> str:
    """A short hash of settings, which does not depend on their order."""
    text = json.dumps(settings, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def library_versions() -> dict[str, str]:
    """Versions of Python, dynrefine and the libraries the numbers come from."""
    own = {"python": platform.python_version(), "dynrefine": __version__}
    return own | {name: version(name) for name in LIBRARIES}


def source_hash(module: str, plug_ins: Iterable[str] = ()) -> str:
    """A hash of what a module computes.

    It covers the module, the plug-ins that it loads by name, and every module of dynrefine that these import.
    Comments, docstrings and the wording of errors do not count, so that editing them re-runs nothing. Bookkeeping
    modules (configuration, logging, provenance) are left out, since what they pass on are parameters of the rules.
    The set-up of JAX is part of every module that uses JAX.

    Arguments:
        module: its dotted name.
        plug_ins: dotted names.

    Raises:
        ModuleNotFoundError: there is no such module.
    """
    parts = [f"{name}\n{_meaning(path)}" for name, path in sorted(closure(module, plug_ins).items())]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def closure(module: str, plug_ins: Iterable[str] = ()) -> dict[str, Path]:
    """The files of a module, of plug-ins, and of the modules of dynrefine they import, by dotted name.

    Bookkeeping modules are left out.
    """
    pending, files = [module, *plug_ins], {}
    while pending:
        name = pending.pop()
        if name not in files:
            files[name] = _file_of(name)
            pending.extend(_imports(files[name]))
    if any(_uses_jax(path) for path in files.values()):
        files[NUMERICS] = _file_of(NUMERICS)
    return files


class _Meaning(ast.NodeTransformer):
    """Drop what no result depends on; only statements are visited, not the expressions in them."""

    def generic_visit(self, node: ast.AST) -> ast.AST:
        """Visit the statements within a statement."""
        for block in _blocks(node):
            block[:] = [kept for each in block if (kept := self.visit(each)) is not None]
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        """Drop docstrings, which are the only strings that stand alone."""
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if is_text else node

    def visit_Raise(self, node: ast.Raise) -> ast.Raise:
        """Keep that an error is raised, but drop its message."""
        return ast.Raise()


@cache
def _meaning(path: Path) -> str:
    # as text, since the dump of a tree differs between versions of Python
    return ast.unparse(_Meaning().visit(_tree(path)))


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def _blocks(node: ast.AST) -> Iterator[list[Any]]:
    """The lists of statements in a statement, and of parts that hold such lists."""
    for field in ("body", "handlers", "orelse", "finalbody", "cases"):
        if isinstance(block := getattr(node, field, None), list):
            yield block


@cache
def _imports(path: Path) -> frozenset[str]:
    """The modules of dynrefine a file imports, with the packages that contain them."""
    return frozenset(module for name in _names(path) for module in _modules_within(name))


def _uses_jax(path: Path) -> bool:
    return any(name.partition(".")[0] == "jax" for name in _names(path))


@cache
def _names(path: Path) -> frozenset[str]:
    """All dotted names a file imports."""
    return frozenset(_names_within(_tree(path)))


def _names_within(node: ast.AST) -> Iterator[str]:
    yield from _imported_names(node)
    for block in _blocks(node):
        for each in block:
            yield from _names_within(each)


def _imported_names(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        # the name may be a module or something in one
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _modules_within(name: str) -> Iterator[str]:
    """The existing modules among a, a.b and a.b.c of a dotted name of dynrefine, without the bookkeeping."""
    parts = name.split(".")
    if parts[0] != PACKAGE.name:
        return
    for length in range(1, len(parts) + 1):
        module = ".".join(parts[:length])
        if module in _BOOKKEEPING:
            return
        if _library_file(module).is_file():
            yield module


def _file_of(name: str) -> Path:
    """The source of a module, of dynrefine or outside it."""
    if name.partition(".")[0] == PACKAGE.name:
        return _library_file(name)
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        raise ModuleNotFoundError(f"No module named '{name}'", name=name)
    return Path(found.origin)


def _library_file(name: str) -> Path:
    folder = PACKAGE.joinpath(*name.split(".")[1:])
    return folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
