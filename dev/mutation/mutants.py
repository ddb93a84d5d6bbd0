"""Which faults are put in: one changed node of the syntax tree each, in a function or a module's plain constant."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
_NAMES = {"min": "max", "max": "min", "any": "all", "all": "any"}
_PLAIN = (ast.Constant, ast.Tuple, ast.BinOp, ast.UnaryOp, ast.operator, ast.unaryop, ast.keyword, ast.Load)


@dataclass(frozen=True)
class Mutant:
    """One fault. `place` is the function's qualified name, or the constant's; `node` and `choice` say which change."""

    path: str
    place: str
    line: int
    what: str
    node: int
    choice: int
    in_function: bool = True

    def __str__(self) -> str:
        return f"{self.path}:{self.line} {self.place}: {self.what}"


def mutants_of(path: Path) -> list[Mutant]:
    """Every fault for this file, in the order of its lines."""
    return [
        Mutant(
            str(path),
            place,
            getattr(node, "lineno", root.lineno),
            what,
            number,
            choice,
            isinstance(root, ast.FunctionDef),
        )
        for place, root in places(ast.parse(path.read_text(encoding="utf-8")))
        for number, node in enumerate(_nodes(root))
        for choice, (what, _) in enumerate(_changes(node))
    ]


def mutated(mutant: Mutant) -> ast.Module:
    """The file's syntax tree with the fault in it."""
    tree = ast.parse(Path(mutant.path).read_text(encoding="utf-8"))
    root = dict(places(tree))[mutant.place]
    node = list(_nodes(root))[mutant.node]
    _, other = _changes(node)[mutant.choice]
    _Swap(node, other).visit(tree)
    return ast.fix_missing_locations(tree)


class _Swap(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self._old, self._new = old, new

    def visit(self, node: ast.AST) -> ast.AST:
        if node is self._old:
            return ast.copy_location(self._new, node)
        return super().generic_visit(node)


def places(tree: ast.Module) -> Iterator[tuple[str, ast.stmt]]:
    """The outermost functions and methods by qualified name, and the constants that are plain values."""
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef):
            yield statement.name, statement
        elif isinstance(statement, ast.ClassDef):
            methods = (one for one in statement.body if isinstance(one, ast.FunctionDef))
            yield from ((f"{statement.name}.{one.name}", one) for one in methods)
        elif isinstance(statement, ast.Assign) and all(_is_plain(node) for node in ast.walk(statement.value)):
            yield from ((one.id, statement) for one in statement.targets if isinstance(one, ast.Name))


def _is_plain(node: ast.AST) -> bool:
    if isinstance(node, ast.Name):
        return node.id == "timedelta"
    return isinstance(node, (*_PLAIN, ast.Call))


def _nodes(root: ast.stmt) -> Iterator[ast.AST]:
    """What may be changed: the body without annotations, docstrings and texts."""
    parts = root.body if isinstance(root, ast.FunctionDef) else [root]
    for part in parts:
        yield from _below(part)


def _below(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.JoinedStr):
        return
    yield node
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _below(child)


def _changes(node: ast.AST) -> list[tuple[str, ast.AST]]:  # noqa: C901 - a table, a line a kind
    """The faults that this node can get: what is said of each, and what stands there instead."""
    found: list[tuple[str, ast.AST]] = []
    match node:
        case ast.Compare(ops=[operator]):
            found.extend(_other(node, ops=[other()]) for other in _COMPARISONS[type(operator)])
        case ast.BinOp(op=operator) if type(operator) in _OPERATORS:
            found.append(_other(node, op=_OPERATORS[type(operator)]()))
        case ast.BoolOp(op=operator):
            found.append(_other(node, op=ast.Or() if isinstance(operator, ast.And) else ast.And()))
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            found.append(_instead(node, operand))
        case ast.If(test=test) | ast.IfExp(test=test) if not isinstance(test, ast.Compare | ast.BoolOp | ast.UnaryOp):
            found.append(_other(node, test=ast.UnaryOp(ast.Not(), test)))
        case ast.Call(func=ast.Name(id=name)) if name in _NAMES:
            found.append(_other(node, func=ast.Name(_NAMES[name], ast.Load())))
        case ast.Constant(value=bool() as value):
            found.append(_instead(node, ast.Constant(not value)))
        case ast.Constant(value=int() | float() as value):
            found.append(_instead(node, ast.Constant(value + 1)))
        case ast.Return(value=ast.expr() as value) if not _is_nothing(value):
            found.append(_instead(node, ast.Return(ast.Constant(None))))
        case ast.AugAssign() | ast.Expr(value=ast.Call() | ast.Yield() | ast.YieldFrom()):
            found.append(_instead(node, ast.Pass()))
    return found


def _is_nothing(value: ast.expr) -> bool:
    """None; or False, for which nobody could tell it from None."""
    return isinstance(value, ast.Constant) and (value.value is None or value.value is False)


def _other(node: ast.AST, **changed: object) -> tuple[str, ast.AST]:
    new = copy.copy(node)
    for name, value in changed.items():
        setattr(new, name, value)
    return _instead(node, new)


def _instead(node: ast.AST, new: ast.AST) -> tuple[str, ast.AST]:
    before, after = (ast.unparse(ast.fix_missing_locations(copy.deepcopy(one))) for one in (node, new))
    return f"{_first(before)} -> {_first(after)}", new


def _first(text: str) -> str:
    line = text.splitlines()[0]
    return line if len(line) <= 70 else line[:69] + "…"
