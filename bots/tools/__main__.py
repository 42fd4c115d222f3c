"""One tool call in a process of its own: `python -m bots.tools`, see `bots.tools.sandbox`.

The first line of standard input is the tool's name, the rest its argument; the result is printed.
"""

import sys

from bots.tools.limits import limit

limit()

from bots.tools.maths import answer  # noqa: E402 (sympy too is to stay within the limits)

name, _, argument = sys.stdin.read().partition("\n")
print(answer(name, argument))
