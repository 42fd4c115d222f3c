"""Conversations are bounded in number and age."""

import asyncio

from server.worker.conversations import Conversations


class Clock:
    """Time that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_missing_or_unknown_uid_begins_a_new_conversation() -> None:
    kept = Conversations(2, 10)
    first, pairs = kept.open(None)
    assert pairs == []
    unknown, _ = kept.open("no such")
    assert unknown not in (first, "no such")


def test_pairs_are_remembered_in_order() -> None:
    kept = Conversations(2, 10)
    uid, _ = kept.open(None)
    kept.put(uid, [("q1", "a1")])
    kept.put(uid, [("q1", "a1"), ("q2", "a2")])
    assert kept.open(uid) == (uid, [("q1", "a1"), ("q2", "a2")])


def test_open_returns_a_copy() -> None:
    kept = Conversations(2, 10)
    kept.put("u", [("q", "a")])
    kept.open("u")[1].clear()
    assert kept.open("u")[1] == [("q", "a")]


def test_the_least_recently_used_one_is_dropped_first() -> None:
    kept = Conversations(2, 10, Clock())
    for uid in ("a", "b", "a", "c"):
        kept.put(uid, [("q", "a")])
    assert len(kept) == 2
    assert len(kept.open("a")[1]) == 1
    assert kept.open("b")[1] == []


def test_turns_of_a_conversation_come_one_after_the_other() -> None:
    async def turn(kept: Conversations, uid: str, question: str) -> None:
        async with kept.turn(uid) as (same, pairs):
            await asyncio.sleep(0)
            kept.put(same, [*pairs, (question, "a")])

    async def main() -> None:
        kept = Conversations(5, 10)
        kept.put("u", [])
        await asyncio.gather(*(turn(kept, "u", str(n)) for n in range(5)))
        assert sorted(question for question, _ in kept.open("u")[1]) == list("01234")

    asyncio.run(main())


def test_old_ones_are_dropped() -> None:
    clock = Clock()
    kept = Conversations(5, 10, clock)
    kept.put("a", [("q", "a")])
    clock.now = 6
    kept.put("b", [("q", "a")])
    clock.now = 11
    assert kept.open("a")[1] == []
    assert len(kept) == 1
