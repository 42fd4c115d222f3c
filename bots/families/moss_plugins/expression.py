"""Convert mathematics from text to sympy, without evaluating any Python.

Python's parser reads the text, and only nodes on an explicit list become sympy objects. Numbers are
exact: 0.1 is 1/10. Sizes are limited before anything is computed. Some short expressions still take
long, so the caller must limit time and memory (`bots.families.moss_plugins.sandbox`).
"""

import ast
import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

import sympy

MAX_LENGTH = 1000
"""Most characters of an expression."""

MAX_DEPTH = 500
"""Deepest nesting of operators and functions; below Python's limit of recursion."""

MAX_BITS = 20_000
"""Largest power of numbers, in bits of the result."""

MAX_FACTORIAL = 200


class ExpressionError(ValueError):
    """Raised for a text that is not an allowed expression; the model reads the message."""


CONSTANTS: Mapping[str, Any] = {"pi": sympy.pi, "π": sympy.pi, "e": sympy.E, "E": sympy.E}


def _factorial(number: Any) -> Any:
    if not (number.is_Integer and 0 <= number <= MAX_FACTORIAL):
        raise ExpressionError(f"factorial takes whole numbers from 0 to {MAX_FACTORIAL}")
    return sympy.factorial(number)


_UNARY: Mapping[str, Callable[[Any], Any]] = {
    "abs": sympy.Abs,
    "sqrt": sympy.sqrt,
    "cbrt": sympy.cbrt,
    "exp": sympy.exp,
    "ln": sympy.log,
    "lg": lambda x: sympy.log(x, 10),
    "log2": lambda x: sympy.log(x, 2),
    "log10": lambda x: sympy.log(x, 10),
    "sin": sympy.sin,
    "cos": sympy.cos,
    "tan": sympy.tan,
    "cot": sympy.cot,
    "asin": sympy.asin,
    "acos": sympy.acos,
    "atan": sympy.atan,
    "arcsin": sympy.asin,
    "arccos": sympy.acos,
    "arctan": sympy.atan,
    "sinh": sympy.sinh,
    "cosh": sympy.cosh,
    "tanh": sympy.tanh,
    "floor": sympy.floor,
    "ceil": sympy.ceiling,
    "factorial": _factorial,
}
_VARIADIC: Mapping[str, Callable[..., Any]] = {
    "max": sympy.Max,
    "min": sympy.Min,
    "gcd": lambda *numbers: sympy.gcd(list(numbers)),
    "lcm": lambda *numbers: sympy.lcm(list(numbers)),
}
FUNCTIONS = frozenset({*_UNARY, *_VARIADIC, "log", "pow", "root"})


def parse(text: str) -> list[Any]:
    """The expressions of a text, separated by commas, semicolons or line breaks.

    `a = b` becomes a − b, which is zero where the equation holds. Raises ExpressionError.
    """
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"it is longer than {MAX_LENGTH} characters")
    try:
        body = ast.parse(_as_python(text), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ExpressionError("it is not an expression") from None
    parts = body.elts if isinstance(body, ast.Tuple | ast.List) else [body]
    return [_equation(part) for part in parts]


_SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹"


def _as_python(text: str) -> str:
    """Usual notation as Python's operators: `2x = 3^2` becomes `2*x == 3**2`."""
    text = re.sub(f"[{_SUPERSCRIPTS}]+", lambda found: f"^({found[0]})", text)
    # After the superscripts, which this would turn into ordinary digits.
    text = unicodedata.normalize("NFKC", text).strip().strip(",;")
    for written, operator in (("×", "*"), ("·", "*"), ("÷", "/"), ("−", "-"), ("^", "**")):
        text = text.replace(written, operator)
    text = re.sub(r"\s*[;\n]\s*", ",", text)
    text = re.sub(r"(?<![=<>!])=(?!=)", "==", text)
    # A number in front of a name or a bracket is a factor; 1e5 is a number, log2( is a name.
    text = re.sub(r"(?<![\w.])(\d+\.?\d*|\.\d+)(?![eE][+-]?\d)\s*(?=[^\W\d_]|\()", r"\1*", text)
    return re.sub(r"\)\s*(?=[\w(])", ")*", text)


def _equation(node: ast.expr) -> Any:
    match node:
        case ast.Compare(left=left, ops=[ast.Eq()], comparators=[right]):
            return _expression(left, 0) - _expression(right, 0)
        case _:
            return _expression(node, 0)


def _expression(node: ast.expr, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise ExpressionError("it is nested too deeply")
    match node:
        case ast.Constant(value=bool()):
            raise ExpressionError("true and false are no numbers")
        case ast.Constant(value=int() | float() as number) if number != math.inf:
            return sympy.Rational(str(number))
        case ast.Name(id=name):
            return CONSTANTS[name] if name in CONSTANTS else _variable(name)
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return -_expression(inner, depth + 1)
        case ast.UnaryOp(op=ast.UAdd(), operand=inner):
            return _expression(inner, depth + 1)
        case ast.BinOp(left=left, op=op, right=right):
            return _operation(op, _expression(left, depth + 1), _expression(right, depth + 1))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
            return _function(name, [_expression(one, depth + 1) for one in arguments])
        case _:
            raise ExpressionError(f"{ast.unparse(node)} is not allowed")


def _variable(name: str) -> Any:
    if name in FUNCTIONS or len(name) > 20:
        raise ExpressionError(f"{name} is no variable")
    return sympy.Symbol(name)


def _operation(op: ast.operator, left: Any, right: Any) -> Any:
    match op:
        case ast.Add():
            return left + right
        case ast.Sub():
            return left - right
        case ast.Mult():
            return left * right
        case ast.Pow():
            return _power(left, right)
        case ast.Div() | ast.FloorDiv() | ast.Mod() if right.is_zero:
            raise ExpressionError("division by zero")
        case ast.Div():
            return left / right
        case ast.FloorDiv():
            return sympy.floor(left / right)
        case ast.Mod():
            return sympy.Mod(left, right)
        case _:
            raise ExpressionError("this operator is not allowed")


def _power(base: Any, exponent: Any) -> Any:
    if exponent.is_number:
        if base.is_zero and exponent.is_negative:
            raise ExpressionError("division by zero")
        digits = max(base.p.bit_length(), base.q.bit_length()) if base.is_Rational else 1
        # The bits of the result, before it is computed.
        if not exponent.is_real or abs(exponent) * digits > MAX_BITS:
            raise ExpressionError("the power is too large")
    return base**exponent


def _function(name: str, arguments: list[Any]) -> Any:
    match name, arguments:
        case "log", [number]:
            return sympy.log(number)
        case "log", [number, base]:
            return sympy.log(number, base)
        case "root", [number, degree]:
            return _power(number, 1 / degree)
        case "pow", [base, exponent]:
            return _power(base, exponent)
        case _, [argument] if name in _UNARY:
            return _UNARY[name](argument)
        case _, [_, *_] if name in _VARIADIC:
            return _VARIADIC[name](*arguments)
        case _ if name in FUNCTIONS:
            raise ExpressionError(f"{name} takes another number of arguments")
        case _:
            raise ExpressionError(f"there is no function {name}")
