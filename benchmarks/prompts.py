"""The prompts of all benchmarks. Each begins differently, so that no prefix cache has it."""

_ABOUT = (
    "a lighthouse keeper who counts ships",
    "the first winter on a distant moon",
    "a baker who never sleeps",
    "two rivers that swap their names",
    "a library under the sea",
    "the last train of the year",
    "a clock that runs on songs",
    "a village where nobody lies",
)


def question(number: int) -> str:
    """A question of about 40 tokens, whose answer is long."""
    about = _ABOUT[number % len(_ABOUT)]
    return (
        f"Number {number * 7919 % 9973}: write a long story in ten chapters about {about}."
        " Begin with the weather, describe every person carefully, and do not stop early."
    )


def history(number: int) -> str:
    """A text of more than 1,000 tokens."""
    lines = (
        f"{number * 7919 % 9973}-{line}: {_ABOUT[line * 3 % len(_ABOUT)]}." for line in range(100)
    )
    return " ".join(lines)
