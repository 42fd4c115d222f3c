"""Run one tool call and print its result; `sandbox` starts this process.

The first line of standard input is the name of the tool, the rest is its argument.
"""

import sys

from bots.families.moss_plugins.limits import limit

limit()

from bots.families.moss_plugins.maths import answer  # noqa: E402 (sympy itself must stay within the limits)

name, _, argument = sys.stdin.read().partition("\n")
print(answer(name, argument))
