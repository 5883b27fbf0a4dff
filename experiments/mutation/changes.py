"""Small changes of a Python source that a test should notice."""

import ast
from collections.abc import Iterator
from typing import NamedTuple

_COMPARISONS = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
_OPERATIONS = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.MatMult: ast.Mult,
}
# What these hold is said to people or to a type checker, not computed with.
_SILENT = (ast.Raise, ast.JoinedStr, ast.Import, ast.ImportFrom, ast.Assert)


class Change(NamedTuple):
    """One expression or statement of a source, and what stands there instead."""

    line: int
    start: int  # offsets in the UTF-8 bytes of the source
    stop: int
    before: str
    after: str

    def apply(self, source: str) -> str:
        data = source.encode()
        data = data[: self.start] + self.after.encode() + data[self.stop :]
        return data.decode()


def changes(source: str) -> list[Change]:
    """Every change that `_changed` knows of a source, in its order."""
    starts = [0]
    for line in source.encode().splitlines(keepends=True):
        starts.append(starts[-1] + len(line))

    def change(node: ast.expr | ast.stmt, new: str) -> Change:
        assert node.end_lineno is not None, "the parser sets both ends"
        assert node.end_col_offset is not None, "the parser sets both ends"
        start = starts[node.lineno - 1] + node.col_offset
        stop = starts[node.end_lineno - 1] + node.end_col_offset
        before = source.encode()[start:stop].decode()
        return Change(node.lineno, start, stop, before, new)

    return [
        change(node, f"({ast.unparse(new)})" if isinstance(new, ast.expr) else "pass")
        for node in _computed(ast.parse(source))
        if isinstance(node, ast.expr | ast.stmt)
        for new in _changed(node)
    ]


def _computed(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes below one that a program computes with."""
    if isinstance(node, _SILENT):
        return
    yield node
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list", "bases"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not _is_docstring(child):
                yield from _computed(child)


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _changed(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Compare(left, [operator], comparators):
            other = _COMPARISONS[type(operator)]()
            yield ast.Compare(left, [other], comparators)
        case ast.BinOp(left, operator, right) if type(operator) in _OPERATIONS:
            yield ast.BinOp(left, _OPERATIONS[type(operator)](), right)
        case ast.BoolOp(operator, values):
            other = ast.Or() if isinstance(operator, ast.And) else ast.And()
            yield ast.BoolOp(other, values)
        case ast.UnaryOp(ast.Not() | ast.USub(), operand):
            yield operand
        case ast.IfExp(test, body, orelse):
            yield ast.IfExp(test, orelse, body)
        case ast.Constant(bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(int() as value):
            yield ast.Constant(value + 1)
        case ast.Constant(float() as value):
            yield ast.Constant(value * 2 if value else 1.0)
        case ast.Expr(ast.Call()):
            yield ast.Pass()
