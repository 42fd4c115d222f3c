"""The tools `calculate` and `solve`: from the text of an argument to the text of a result.

Neither time nor memory is limited here; `bots.families.moss_plugins.sandbox` limits both.
"""

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sympy

from bots.families.moss_plugins.expression import ExpressionError, parse

DIGITS = 15
"""Significant digits of results that are not whole numbers."""

MAX_RESULT = 500
"""Most characters of a result."""

MAX_EXACT = 30
"""Most characters of an exact solution; the exact roots of cubic equations are unreadable."""

MAX_EQUATIONS = 8


def calculate(text: str) -> str:
    """The value of one expression: `1+1` is `2`, `1/3` is `0.333333333333333`.

    Raises ExpressionError.
    """
    if "=" in unicodedata.normalize("NFKC", text):
        raise ExpressionError("it takes no equation")
    found = parse(text)
    if len(found) != 1:
        raise ExpressionError("it takes one expression")
    value = found[0]
    if unknown := sorted(str(symbol) for symbol in value.free_symbols):
        raise ExpressionError(f"{unknown[0]} has no value")
    return _number(value if value.is_Integer else sympy.N(value, DIGITS))


def solve(text: str) -> str:
    """The solutions of one or more equations: `x^2=4` is `x = -2, x = 2`.

    With several unknowns, solutions are separated by "or": `x = 1, y = 2 or x = 2, y = 1`. An
    expression without `=` is set equal to 0. Raises ExpressionError.
    """
    equations = parse(text)
    if len(equations) > MAX_EQUATIONS:
        raise ExpressionError(f"it takes at most {MAX_EQUATIONS} equations")
    left = [one for one in map(sympy.expand, equations) if one != 0]
    if not left:
        return "always true"
    unknowns = sorted({one for each in left for one in each.free_symbols}, key=str)
    if not unknowns:
        return "no solution"
    try:
        # sympy finds no solution of an equation of high degree given as a system of one.
        found = sympy.solve(left[0] if len(left) == 1 else left, *unknowns, dict=True)
    except NotImplementedError:
        raise ExpressionError("no way to solve it is known") from None
    return _solutions(found, single=len(unknowns) == 1) or "no solution found"


def _solutions(found: Sequence[Mapping[Any, Any]], *, single: bool) -> str:
    ordered = sorted(found, key=lambda one: [sympy.default_sort_key(v) for v in one.values()])
    texts = [
        ", ".join(f"{name} = {_exact(one[name])}" for name in sorted(one, key=str))
        for one in ordered
    ]
    return (", " if single else " or ").join(texts)


def _exact(value: Any) -> str:
    """The exact value as text, or its digits where that is long or has no closed form."""
    exact = str(value)
    if value.is_number and (len(exact) > MAX_EXACT or value.has(sympy.CRootOf)):
        return str(sympy.N(value, DIGITS, chop=True))
    return exact


def _number(value: Any) -> str:
    if value.has(sympy.nan, sympy.oo, -sympy.oo, sympy.zoo):
        raise ExpressionError("the result is not a finite number")
    if not value.is_Float:
        return str(value)
    if abs(value) < 10**DIGITS and value == int(value):
        return str(int(value))
    text = str(value)
    mantissa, e, exponent = text.partition("e")
    return (mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa) + e + exponent


TOOLS: Mapping[str, Callable[[str], str]] = {"Calculate": calculate, "Solve": solve}


def answer(tool: str, argument: str) -> str:
    """The result of a tool, or `error: …` for an argument that it does not accept."""
    try:
        result = TOOLS[tool](argument)
    except ExpressionError as error:
        result = f"error: {error}"
    return result if len(result) <= MAX_RESULT else "error: the result is too long"
