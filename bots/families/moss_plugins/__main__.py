"""Run one tool call in a process of its own; `sandbox` starts it.

The first line of standard input is the tool's name, the rest its argument; the result is printed.
"""

import sys

from bots.families.moss_plugins.limits import limit

limit()

from bots.families.moss_plugins.maths import answer  # noqa: E402 (sympy too is to stay within the limits)

name, _, argument = sys.stdin.read().partition("\n")
print(answer(name, argument))
