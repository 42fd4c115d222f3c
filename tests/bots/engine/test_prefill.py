"""Sharing the prefill tokens of a step."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots.engine.prefill import share_prefill


@pytest.mark.parametrize(
    ("left", "budget", "shares"),
    [
        ([], 16, []),
        ([40], 16, [(0, 16)]),
        ([3], 16, [(0, 3)]),
        ([40, 40], 16, [(0, 8), (1, 8)]),
        ([40, 2], 16, [(0, 14), (1, 2)]),  # what the short one leaves is the oldest's
        ([3, 40], 16, [(0, 3), (1, 13)]),  # and the other way round
        ([40, 30, 5, 6], 16, [(0, 8), (2, 5), (3, 3)]),  # the shortest first
        ([40, 2, 2, 2], 5, [(0, 3), (1, 2)]),
    ],
)
def test_half_for_the_oldest_and_the_rest_for_the_shortest(
    left: list[int], budget: int, shares: list[tuple[int, int]]
) -> None:
    assert share_prefill(left, budget) == shares


@given(st.lists(st.integers(1, 100), min_size=1, max_size=8), st.integers(1, 256))
def test_the_budget_is_used_up_and_no_prompt_gets_too_much(left: list[int], budget: int) -> None:
    shares = share_prefill(left, budget)
    assert sum(size for _, size in shares) == min(sum(left), budget)
    assert len({index for index, _ in shares}) == len(shares)
    assert all(0 < size <= left[index] for index, size in shares)
    assert dict(shares)[0] >= min(left[0], budget - budget // 2)
