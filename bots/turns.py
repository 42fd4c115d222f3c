"""Messages in any order as what a fixed prompt format has: a system text, rounds, a question.

Knows roles; knows no format. Messages of one role in a row are one turn, system texts are one text
wherever they stand, an answer that nobody asked for follows an empty question, and after an answer
the question is empty.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from bots.events import Message


@dataclass(frozen=True, slots=True)
class Turns:
    """A conversation. `system` is None where no message has that role, `history` is oldest first.

    `history` holds (question, answer); `question` is what is to be answered.
    """

    system: str | None
    history: tuple[tuple[str, str], ...]
    question: str

    @classmethod
    def of(cls, messages: Sequence[Message]) -> Self:
        """What the messages are as turns; see the module."""
        systems = [message.content for message in messages if message.role == "system"]
        rounds: list[tuple[list[str], list[str]]] = [([], [])]
        for message in messages:
            if message.role == "assistant":
                rounds[-1][1].append(message.content)
            elif message.role == "user":
                if rounds[-1][1]:
                    rounds.append(([], []))
                rounds[-1][0].append(message.content)
        if rounds[-1][1]:
            rounds.append(([], []))
        said = [("\n".join(question), "\n".join(answer)) for question, answer in rounds]
        return cls("\n".join(systems) if systems else None, tuple(said[:-1]), said[-1][0])

    def with_system_in_front(self) -> Self:
        """The system text above the first question, for formats that have no place for it."""
        if not self.system:
            return self
        if not self.history:
            return replace(self, system=None, question=f"{self.system}\n{self.question}")
        (question, answer), *rest = self.history
        first = (f"{self.system}\n{question}", answer)
        return replace(self, system=None, history=(first, *rest))
