"""One turn of MOSS with plugins: thoughts and commands, results, then the answer.

In the format of https://github.com/OpenLMLab/MOSS#plugin-augmented-moss, the model writes
`<|Inner Thoughts|>: …<eot>` and `<|Commands|>: …<eoc>`, the program runs the commands and writes
`<|Results|>:\\n…\\n<eor>`, and the model answers after `<|MOSS|>:`.
"""

import re
import threading
from collections.abc import Callable, Collection, Generator, Iterator
from dataclasses import dataclass, replace
from typing import Any

from bots.engine.detokenizer import Detokenizer
from bots.events import Step, Usage
from bots.streaming.text_filter import partial_suffix

ANSWER = "<|MOSS|>:"
MAX_COMMANDS = 4
"""Most commands of one turn; further ones are ignored."""

_COMMAND = re.compile(r'\b([A-Z]\w*)\((?:"([^"]*)"|([^"\n]*))\)')

RunTool = Callable[[str, str, threading.Event], str]
"""Called with a tool's name, its argument and a stop event; returns the result."""


def results(
    commands: str, enabled: Collection[str], stop: threading.Event, run_tool: RunTool
) -> str:
    """One line per command, such as `Calculate("1+1") => 2`; `None` without commands.

    The result of a tool that is not `enabled` is `disabled`.
    """
    lines = []
    for found in list(_COMMAND.finditer(commands))[:MAX_COMMANDS]:
        name, argument = found[1], found[2] or found[3] or ""
        result = run_tool(name, argument, stop) if name in enabled else "disabled"
        lines.append(f'{name}("{argument}") => {result}')
    return "\n".join(lines) or "None"


@dataclass
class PluginTurn:
    """The state of one request.

    `decode(ids, settings)` runs the model, whose context has `context` tokens. Thoughts, commands
    and results become the reasoning of steps, without ids and log-probabilities. Those that the
    model wrote count as tokens of the answer.
    """

    tokenizer: Any
    decode: Callable[[list[int], Any], Iterator[Step]]
    enabled: Collection[str]
    context: int | None
    stop: threading.Event
    run_tool: RunTool

    def run(self, prompt: list[int], settings: Any) -> Iterator[Step]:
        """The steps of both runs, which together have at most `settings.max_new_tokens` tokens."""
        self._written = ""
        self._ids: list[int] = []
        self._used = 0
        ended = yield from self._think(prompt, settings)
        if ended or self.stop.is_set():
            return
        written, answers, _ = self._written.partition(ANSWER)
        if answers:  # without commands
            # The mark's last token may hold more text, so the text is encoded up to the mark.
            ids, rest = prompt, written + ANSWER
        else:
            commands = written.partition("<|Commands|>:")[2]
            found = results(commands, self.enabled, self.stop, self.run_tool)
            yield Step(reasoning=f"\n<|Results|>:\n{found}\n", usage=self._usage(prompt))
            ids, rest = [*prompt, *self._ids], f"<eoc>\n<|Results|>:\n{found}\n<eor>\n{ANSWER}"
        ids = [*ids, *self.tokenizer.encode(rest, add_special_tokens=False)]
        yield from self._answer(prompt, ids, settings)

    def _think(self, prompt: list[int], settings: Any) -> Generator[Step, None, bool]:
        """Run the model up to the end of its commands. Returns whether the turn ends there."""
        end = self.tokenizer.convert_tokens_to_ids("<eoc>")
        first = settings.model_copy(
            update={
                "stop_token_ids": (*settings.stop_token_ids, end),
                # These settings apply to the answer only.
                "logprobs": None,
                "min_new_tokens": 0,
                "ignore_eos": False,
            }
        )
        reader = Detokenizer(self.tokenizer, skip_special_tokens=False)
        shown = 0
        for step in self.decode(prompt, first):
            self._ids += step.token_ids
            self._used += len(step.token_ids)
            self._written += reader.add(step.token_ids)
            thoughts, answers, _ = self._written.partition(ANSWER)
            until = len(thoughts) - (0 if answers else partial_suffix(thoughts, [ANSWER]))
            yield Step(
                reasoning=thoughts[shown:until].replace("<eot>", "\n"),
                prompt_logprobs=step.prompt_logprobs,
                usage=self._usage(prompt),
                finish_reason="length" if step.finish_reason == "length" else None,
            )
            shown = until
            if answers:
                break
            if step.finish_reason == "length":
                return True
        return False

    def _answer(self, prompt: list[int], ids: list[int], settings: Any) -> Iterator[Step]:
        """Run the model on `ids` for its answer; the usage is that of the whole turn."""
        left = settings.max_new_tokens - self._used
        if self.context is not None:
            left = min(left, self.context - len(ids))
        if left <= 0:  # long results can fill the context
            yield Step(finish_reason="length", usage=self._usage(prompt))
            return
        second = settings.model_copy(update={"max_new_tokens": left, "prompt_logprobs": None})
        for step in self.decode(ids, second):
            self._used += len(step.token_ids)
            yield replace(step, usage=self._usage(prompt))

    def _usage(self, prompt: list[int]) -> Usage:
        return Usage(len(prompt), self._used)
