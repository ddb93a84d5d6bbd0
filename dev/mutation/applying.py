"""Putting a fault into modules that are loaded already, so that a process that was forked pays for no import."""

from __future__ import annotations

import ast
import functools
import importlib
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from dev.mutation.mutants import Mutant, mutated, places

SOURCE = "operator"
_NOTICE = "__reached__"


def module_of(path: str) -> str:
    """`operator/verdigris/core/turn.py` as `verdigris.core.turn`."""
    return ".".join(Path(path).with_suffix("").relative_to(SOURCE).parts)


def apply(mutant: Mutant) -> None:
    """Change the loaded module for good: only in a process that ends afterwards."""
    module, tree = importlib.import_module(module_of(mutant.path)), mutated(mutant)
    constant = next((one for one in tree.body if _assigns(one, mutant.place)), None)
    if isinstance(constant, ast.Assign):
        _rebind(module, mutant.place, eval(compile(ast.Expression(constant.value), mutant.path, "eval"), vars(module)))
        return
    _replace(module, mutant.path, tree, [mutant.place])


def watch(path: str, reached: set[tuple[str, str]]) -> None:
    """From now on each call of a function of this file adds (path, its qualified name) to `reached`."""
    module, tree = importlib.import_module(module_of(path)), ast.parse(Path(path).read_text(encoding="utf-8"))
    found = {place: root for place, root in places(tree) if isinstance(root, ast.FunctionDef)}
    for place, root in found.items():
        root.body[:0] = ast.parse(f"{_NOTICE}({place!r})").body
    vars(module)[_NOTICE] = lambda place: reached.add((path, place))
    _replace(module, path, tree, found)


def _replace(module: ModuleType, path: str, tree: ast.Module, names: Iterable[str]) -> None:
    """Give these functions of a loaded module the code that they have in this tree."""
    codes = {code.co_qualname: code for code in _codes(compile(tree, path, "exec"))}
    for name in names:
        function_of(module, name).__code__ = codes[name]


def forget() -> None:
    """Empty what functions of the product remember of earlier calls: who gets it from there runs nothing."""
    for module in [one for name, one in sys.modules.items() if name.startswith("verdigris")]:
        for cached in vars(module).values():
            if isinstance(cached, functools._lru_cache_wrapper):
                cached.cache_clear()


def _assigns(statement: ast.stmt, name: str) -> bool:
    return (
        isinstance(statement, ast.Assign) and isinstance(target := statement.targets[0], ast.Name) and target.id == name
    )


def _rebind(module: ModuleType, name: str, value: object) -> None:
    """Others have imported the constant by its name."""
    old = vars(module)[name]
    for other in list(sys.modules.values()):
        if vars(other).get(name) is old:
            setattr(other, name, value)


def _codes(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _codes(constant)


def function_of(module: ModuleType, place: str) -> FunctionType:
    """The function behind a qualified name, whatever it is wrapped in."""
    found: Any = module
    for name in place.split("."):
        found = vars(found)[name]
    while not isinstance(found, FunctionType):
        if isinstance(found, property):
            found = found.fget
        elif isinstance(found, functools.cached_property):
            found = found.func
        elif isinstance(found, classmethod | staticmethod):
            found = found.__func__
        else:
            found = found.__wrapped__
    return found
