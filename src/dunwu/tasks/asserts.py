"""Static conversion of assert tests (HumanEval, MBPP) into cases, so that the program never sees expected values.

A test with more than asserts about literal calls (a loop, a random input) is kept as source. It runs in a separate process that calls the
program for each value (`dunwu.verifiers.code.replay`), unless it needs names of the program, such as a class that the program defines:
then it must run in the program's process and is forgeable.
"""

from __future__ import annotations

import ast
import builtins
import operator
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from dunwu.tasks.code_tests import Case, CodeLimits, CodeTests

MAX_FOLDED = 10**6
"""Largest number of repetitions of a folded sequence."""

_FOLDABLE: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_CONSTRUCTORS: dict[str, Callable[[Any], Any]] = {"set": set, "frozenset": set, "tuple": tuple, "list": list, "sorted": sorted}


class NotStatic(ValueError):
    """The test has more than asserts about literal calls."""


def assert_tests(tests: str, entry: str, preamble: str = "", limits: CodeLimits | None = None, public: int = 0) -> CodeTests:
    """The strongest possible form of ``tests``: cases, else asserts in a separate process, else forgeable asserts.

    A function ``check`` of one parameter is called with ``entry`` (HumanEval). The first ``public`` cases are public.
    Raises `SyntaxError` for tests that are not Python.
    """
    tree = parse_module(tests)
    common: dict[str, Any] = {"entry": entry, "preamble": preamble, "limits": limits or CodeLimits()}
    try:
        cases = tuple(_cases(tree, entry))
    except NotStatic:
        called = f"{tests}\n\ncheck({entry})\n" if _check_function(tree) else tests
        forgeable = bool(free_names(called) - bound_names(parse_module(preamble)) - {entry}) or needs_more_than_data(tree, entry)
        return CodeTests(mode="assert", tests=called, forgeable=forgeable, **common)
    shown = tuple(case.model_copy(update={"public": place < public}) for place, case in enumerate(cases))
    return CodeTests(mode="function", cases=shown, checker="equal", **common)


def parse_module(source: str) -> ast.Module:
    """`ast.parse` without warnings, since the code of data sets has invalid escapes (``"\\d"``)."""
    with warnings.catch_warnings(action="ignore"):
        return ast.parse(source)


def free_names(source: str) -> set[str]:
    """Names that ``source`` reads but does not bind, builtins excluded."""
    tree = parse_module(source)
    read = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    return read - bound_names(tree) - vars(builtins).keys()


def needs_more_than_data(tree: ast.Module, entry: str) -> bool:
    """True if test and program exchange values other than plain data: bytes or complex numbers, or functions as arguments."""
    check = _check_function(tree)
    names = {entry, check.args.args[0].arg} if check else {entry}
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names]
    arguments = [part for call in calls for part in [*call.args, *(keyword.value for keyword in call.keywords)]]
    parts = [node for argument in arguments for node in ast.walk(argument)]
    called = [node.func for node in parts if isinstance(node, ast.Call)]
    functions = [node for node in parts if isinstance(node, ast.Name) and node.id in vars(builtins) and node not in called]
    return bool(functions) or any(isinstance(node, ast.Lambda) for node in parts) or any(map(_is_odd_constant, ast.walk(tree)))


def _is_odd_constant(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, bytes | complex)


def bound_names(tree: ast.Module) -> set[str]:
    """Names that a module binds anywhere, its functions included."""
    names: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name) | ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.alias(name=name, asname=renamed):
                names.add(renamed or name.partition(".")[0])
            case ast.ExceptHandler(name=str(name)):
                names.add(name)
    return names


def _check_function(tree: ast.Module) -> ast.FunctionDef | None:
    """HumanEval's ``def check(candidate)``."""
    found = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "check"]
    return found[0] if len(found) == 1 and len(found[0].args.args) == 1 else None


def _cases(tree: ast.Module, entry: str) -> Iterator[Case]:
    check = _check_function(tree)
    statements = [(statement, entry) for statement in tree.body if statement is not check]
    if check:
        statements += [(statement, check.args.args[0].arg) for statement in check.body]
    count = 0
    for statement, name in statements:
        if isinstance(statement, ast.Assert):
            if not (isinstance(statement.test, ast.Constant) and statement.test.value):
                count += 1
                yield _case(statement.test, name)
        elif not _is_inert(statement):
            raise NotStatic(ast.unparse(statement)[:80])
    if not count:
        raise NotStatic("no assert")


def _is_inert(statement: ast.stmt) -> bool:
    """True for imports, constants, bare names and literal assignments, which cannot affect literal calls."""
    match statement:
        case ast.Import() | ast.ImportFrom() | ast.Pass() | ast.Expr(value=ast.Constant() | ast.Name()):
            return True
        case ast.Assign(targets=[ast.Name()], value=value):
            return _folds(value)
    return False


def _case(test: ast.expr, name: str) -> Case:
    match test:
        case ast.Compare(left=ast.Call(func=ast.Name(id="abs"), args=[ast.BinOp(call, ast.Sub(), right)]), ops=[ast.Lt() | ast.LtE()]):
            return _near(call, right, name, absolute=float(fold(test.comparators[0])))
        case ast.Call(func=ast.Attribute(attr="isclose"), args=[call, right], keywords=keywords):
            options = {keyword.arg: float(fold(keyword.value)) for keyword in keywords}
            return _near(call, right, name, options.get("abs_tol", 0.0), options.get("rel_tol", 1e-9))
        case ast.Compare(left=left, ops=[ast.Eq() | ast.Is()], comparators=[right]):
            return _equal(left, right, name)
        case ast.Compare(left=call, ops=[ast.In()], comparators=[right]):
            return Case(input=_input(call, name), expected=literal(list(fold(right))), checker="any_of")
        case ast.UnaryOp(op=ast.Not(), operand=call):
            return Case(input=_input(call, name), expected="False", checker="false")
    return Case(input=_input(test, name), expected="True", checker="true")


def _equal(left: ast.expr, right: ast.expr, name: str) -> Case:
    match left, right:
        case ast.Call(func=ast.Name(id="set"), args=[call]), _ if not _folds(left):
            return Case(input=_input(call, name), expected=literal(fold(right)), checker="set")
        case ast.Call(func=ast.Name(id="sorted"), args=[call]), _ if not _folds(left):
            return Case(input=_input(call, name), expected=literal(fold(right)), checker="unordered")
        case _, ast.Call() if _folds(left):
            left, right = right, left
    return Case(input=_input(left, name), expected=literal(fold(right)))


def _near(call: ast.expr, right: ast.expr, name: str, absolute: float = 0.0, relative: float = 0.0) -> Case:
    """A case with a tolerance, scaled because `Case.tolerance` is relative to ``max(1, |expected|)``."""
    expected = float(fold(right))
    tolerance = max(absolute, relative * abs(expected)) / max(1.0, abs(expected))
    return Case(input=_input(call, name), expected=literal(expected), tolerance=tolerance)


def _input(call: ast.expr, name: str) -> str:
    match call:
        case ast.Call(func=ast.Name(id=called), args=args, keywords=keywords) if called == name:
            if any(keyword.arg is None for keyword in keywords):
                raise NotStatic("keywords from a mapping")
            return literal((tuple(fold(arg) for arg in args), {str(keyword.arg): fold(keyword.value) for keyword in keywords}))
    raise NotStatic(ast.unparse(call)[:80])


def _folds(node: ast.expr) -> bool:
    try:
        fold(node)
    except NotStatic:
        return False
    return True


def fold(node: ast.expr) -> Any:
    """The value of a literal, of arithmetic on literals, or of a constructor such as ``set(...)``. Raises `NotStatic` for all else."""
    try:
        match node:
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _FOLDABLE:
                return _combine(_FOLDABLE[type(op)], fold(left), fold(right))
            case ast.BinOp(left=left, op=ast.Pow(), right=right):
                return _power(fold(left), fold(right))
            case ast.List(elts=elements):
                return [fold(element) for element in elements]
            case ast.Tuple(elts=elements):
                return tuple(fold(element) for element in elements)
            case ast.Call(func=ast.Name(id=name), args=[inner], keywords=[]) if name in _CONSTRUCTORS:
                return _CONSTRUCTORS[name](fold(inner))
        return ast.literal_eval(node)
    except (ValueError, TypeError, ArithmeticError, RecursionError) as error:
        raise NotStatic(str(error)) from error


def _combine(operation: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    if operation is operator.mul and any(isinstance(side, int) and abs(side) > MAX_FOLDED for side in (left, right)):
        numbers = all(isinstance(side, int | float) for side in (left, right))
        if not numbers:
            raise NotStatic("a long repetition")
    return operation(left, right)


def _power(base: Any, exponent: Any) -> Any:
    if not isinstance(exponent, int) or abs(exponent) > 1000:
        raise NotStatic("a large power")
    return base**exponent


def literal(value: Any) -> str:
    """``repr`` of plain data, to be read by `ast.literal_eval`. Raises `NotStatic` for bytes, complex numbers, infinity and NaN."""
    text = repr(value)
    tree = ast.parse(text, mode="eval")
    if any(map(_is_odd_constant, ast.walk(tree))) or not _reads_as(tree, value):
        raise NotStatic(f"no literal for {text[:80]}")
    return text


def _reads_as(tree: ast.Expression, value: Any) -> bool:
    try:
        return bool(ast.literal_eval(tree) == value)
    except ValueError:
        return False
