"""Results of the calculator and the equation solver, as text for the model."""

import pytest

from bots.families.moss_plugins.maths import answer


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("1+1", "2"),
        ("1/3", "0.333333333333333"),
        ("0.1+0.2", "0.3"),
        ("sqrt(2)*3^2", "12.7279220613579"),
        ("factorial(20)", "2432902008176640000"),
        ("12345678901234567890*10", "123456789012345678900"),
        ("5e-7/3", "1.66666666666667e-7"),
        ("sqrt(9)", "3"),
        ("exp(1000)", "1.97007111401705e+434"),
        ("x+1", "error: x has no value"),
        ("1,2", "error: it takes one expression"),
        ("10^600", "error: the result is too long"),
        (f"1{'0' * 400}1 - 1{'0' * 401}", "1"),
        ("1+1=3", "error: it takes no equation"),
        ("1+1＝", "error: it takes no equation"),
        ("log(0)", "error: the result is not a finite number"),
    ],
)
def test_calculate(text: str, result: str) -> None:
    """Whole numbers exactly, others to 15 digits."""
    assert answer("Calculate", text) == result


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("x^2=4", "x = -2, x = 2"),
        ("3(x+2)=2x+10", "x = 4"),
        ("x^2=2", "x = -sqrt(2), x = sqrt(2)"),
        ("x^2-4", "x = -2, x = 2"),
        ("2.5x+1.5y=50;x+y=30", "x = 5, y = 25"),
        ("x+y=10, x*y=21", "x = 3, y = 7 or x = 7, y = 3"),
        ("a+b=3", "a = 3 - b"),
        ("x=x+1", "no solution"),
        ("x=x", "always true"),
        ("x=1;x=2", "no solution found"),
        ("2.5x+1.5y=50;x+y=?", "error: it is not an expression"),
        (";".join(["x=1"] * 9), "error: it takes at most 8 equations"),
    ],
)
def test_solve(text: str, result: str) -> None:
    """Exact solutions, in order."""
    assert answer("Solve", text) == result


def test_solutions_without_a_short_name_are_numbers() -> None:
    """The only real root of a cubic, among others; that of a quintic."""
    assert "x = -2.25825888340261" in answer("Solve", "x^3-2x+7=0")
    assert answer("Solve", "x^5=x+1").startswith("x = 1.16730397826142")


def test_an_equation_without_a_known_solution() -> None:
    assert answer("Solve", "x+cos(x)=0") == "error: no way to solve it is known"
