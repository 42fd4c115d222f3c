"""How the prefill tokens of one step are divided among the prompts that are in progress."""

from collections.abc import Sequence


def share_prefill(left: Sequence[int], budget: int) -> list[tuple[int, int]]:
    """Divide `budget` tokens among prompts that have `left` tokens to go, oldest first.

    Returns (index of the prompt, its tokens), without prompts that get none. Half of the budget is
    for the oldest prompt, so that a long one advances however many short ones arrive. The other
    half is for the prompts that are closest to their end, so that a short one does not wait for a
    long one. What one half does not use falls to the other.
    """
    if not left:
        return []
    others = sorted(range(1, len(left)), key=left.__getitem__)
    reserved = min(sum(left[1:]), budget // 2)
    shares = [(0, min(left[0], budget - reserved))]
    budget -= shares[0][1]
    for index in others:
        if budget <= 0:
            break
        shares.append((index, min(left[index], budget)))
        budget -= shares[-1][1]
    return shares
