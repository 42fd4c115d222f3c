"""Convert messages in any order to a system text, rounds of question and answer, and a question.

Prompt formats have fixed places for these. The rules of the conversion:

- Messages of one role in a row are joined to one turn; all system messages are joined to one text.
- An answer without a question before it follows an empty question.
- If the last message is an answer, the question is empty.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from bots.events import Message


@dataclass(frozen=True, slots=True)
class Turns:
    """A conversation in rounds.

    `system` is None if no message has that role. `history` holds (question, answer), oldest first;
    `question` is the one to answer.
    """

    system: str | None
    history: tuple[tuple[str, str], ...]
    question: str

    @classmethod
    def of(cls, messages: Sequence[Message]) -> Self:
        """Convert messages by the rules at the top of this module."""
        systems = [message.content for message in messages if message.role == "system"]
        rounds: list[tuple[list[str], list[str]]] = [([], [])]
        for message in messages:
            if message.role == "assistant":
                rounds[-1][1].append(message.content)
            elif message.role == "user":
                if rounds[-1][1]:
                    rounds.append(([], []))
                rounds[-1][0].append(message.content)
        if rounds[-1][1]:  # the last round is always the open question
            rounds.append(([], []))
        *history, (question, _) = [
            ("\n".join(asked), "\n".join(answer)) for asked, answer in rounds
        ]
        return cls("\n".join(systems) if systems else None, tuple(history), question)

    def with_system_in_front(self) -> Self:
        """Move the system text above the first question, for formats without a place for it."""
        if not self.system:
            return self
        if not self.history:
            return replace(self, system=None, question=f"{self.system}\n{self.question}")
        (question, answer), *rest = self.history
        first = (f"{self.system}\n{question}", answer)
        return replace(self, system=None, history=(first, *rest))
