"""LlamaCppChatBot: GGUF files, run by llama.cpp inside this process.

The binding embeds llama.cpp's own server. Answers come from it by callbacks; templates and
tokens, for which it has no function, by HTTP over a Unix socket in a folder that only this user
can open. No network port is opened.

llama.cpp does not score prompts. It is asked for each token after those before it, which it still
has in its cache: exact, but a pass for each token. What it does not give at all is the
log-probability of a new token that ends inside a character (a character of several tokens has one
entry, its last token's).
"""

import shutil
import threading
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import takewhile
from pathlib import Path
from typing import Any, ClassVar

from bots.backends.llamacpp import parameters
from bots.backends.llamacpp.chunks import (
    ChunkReader,
    error_of,
    request_of,
    score_request,
    scored_of,
)
from bots.backends.llamacpp.gguf_header import read_header
from bots.backends.llamacpp.socket import SOCKET, ask, private_folder
from bots.chatbot import ChatBot
from bots.checkpoints import builtin
from bots.errors import BotError, InvalidRequest, LoadError
from bots.events import Message, Step, TokenLogprob, Usage
from bots.hooks import BotInfo, Inputs
from bots.process_memory import peak_resident
from bots.sampling import SamplingSettings
from bots.settings import BotConfig, BotSettings, control
from bots.streaming.pause import Pause, PausingQueue


class LlamaCppSettings(SamplingSettings):
    """What can be set for llama.cpp, whose penalties count the prompt's tokens too."""

    presence_penalty: float = control(
        0.0,
        "slider",
        "Presence penalty",
        "Lowers every token that prompt or answer already have, once; 0 is off.",
        ge=-2,
        le=2,
        step=0.1,
    )
    frequency_penalty: float = control(
        0.0,
        "slider",
        "Frequency penalty",
        "Lowers a token for every time that prompt or answer already have it; 0 is off.",
        ge=-2,
        le=2,
        step=0.1,
    )


class LlamaCppChatBot(ChatBot[SamplingSettings]):
    """Any GGUF file with a chat template inside it.

    Each of the `max_running` slots has a context of its own (see `parameters.context_for`).
    """

    Settings = LlamaCppSettings
    max_running = 4
    token_prompts = True
    reasoning_tags = ("<think>", "</think>")

    needs_template: ClassVar[bool] = True
    """Whether the prompt is what a template in the file makes."""

    adds_special_tokens: ClassVar[bool] = True
    """Whether the tokens are added that the file's tokenizer puts around a text: LLaMA's `<s>`."""

    stop_tokens: ClassVar[tuple[str, ...]] = ()
    """Tokens that end an answer beside those that the file names, by their texts."""

    def __init__(self, config: BotConfig | None = None) -> None:
        super().__init__(config)
        if self.config.max_running is not None:
            self.max_running = self.config.max_running
        self._server: Any = None
        self._folder: Path | None = None
        self._threads: set[threading.Thread] = set()
        self._closing = threading.Event()

    # -- loading ---------------------------------------------------------------------------------

    def load_model(self) -> None:
        """Check the file, then give it to llama.cpp. Raises LoadError."""
        xllamacpp = parameters.binding()
        path = builtin.resolve(self.config.pretrained_path, self.progress)
        self.progress("checking the file", None)
        self._header = read_header(path)
        if self.needs_template and not self._header.chat_template:
            # llama.cpp would take ChatML, and a model of another format would answer badly.
            raise LoadError(
                f"{path!r} has no chat template inside, so its prompt format is not known. Name"
                " its family with --type, such as vicuna, or use a file with a template."
            )
        parameters.read_ahead(path, self._header, self.progress)
        self.progress("loading the weights", None)
        self._folder = private_folder()
        params = parameters.parameters(
            xllamacpp,
            path,
            self._header,
            self._folder / SOCKET,
            self.max_running,
            self.config,
        )
        try:
            self._server = xllamacpp.Server(params)
        except RuntimeError as error:
            self.close()
            raise LoadError(
                f"llama.cpp could not load {path!r} (architecture"
                f" {self._header.architecture!r}); its own message is in the log. Either it does"
                " not know this kind of model, or the file is damaged, or memory is too small."
            ) from error
        facts = self._ask("GET", "/props")
        self._context = int(facts["default_generation_settings"]["n_ctx"])
        self._file_type = facts.get("model_ftype")

    # -- prompts ---------------------------------------------------------------------------------

    def get_prompt(self, messages: Sequence[Message], settings: BotSettings) -> str:
        """What the file's template makes of the messages, up to where the answer begins.

        A begin token is not in it: `get_input` adds the one that the file asks for.
        """
        turns = [{"role": message.role, "content": message.content} for message in messages]
        status, answer = self._send("POST", "/apply-template", {"messages": turns})
        if status != 200:
            reason = answer.get("error", {}).get("message", answer)
            raise InvalidRequest(
                f"messages: the model's chat template refuses them: {reason}", param="messages"
            )
        return str(answer["prompt"])

    def get_input(self, prompt: str) -> Inputs:
        """The ids of llama.cpp's tokenizer; see `adds_special_tokens`."""
        ids = self._ids_of(prompt, added=self.adds_special_tokens, special=True)
        if not ids:
            raise InvalidRequest("prompt: it has no tokens.", param="prompt")
        return Inputs(prompt, ids)

    def input_of_ids(self, token_ids: Sequence[int]) -> Inputs:
        """Ids exactly as given. Raises InvalidRequest for one outside the vocabulary."""
        size = self._header.vocabulary or 0
        if not token_ids or not all(0 <= one < size for one in token_ids):
            raise InvalidRequest(
                f"prompt: token ids must be from 0 to {size - 1}, and at least one.", param="prompt"
            )
        return Inputs(self._text_of(token_ids), list(token_ids))

    def _text_of(self, ids: Sequence[int]) -> str:
        return str(self._ask("POST", "/detokenize", {"tokens": list(ids)})["content"])

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        status, answer = self._send(method, path, body)
        if status != 200:
            raise error_of(answer.get("error", {}))
        return answer

    def _send(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        assert self._folder is not None
        return ask(str(self._folder / SOCKET), method, path, body)

    # -- answering -------------------------------------------------------------------------------

    def generate(
        self, inputs: Inputs, settings: SamplingSettings, stop: threading.Event
    ) -> Iterator[Step | Pause]:
        """Decode in one of llama.cpp's slots, and go on in the thread that brings the chunks.

        A stop takes effect at the next token, or batch of the prompt: llama.cpp then cancels the
        task and frees the slot.
        """
        assert inputs.token_ids is not None
        if settings.prompt_logprobs is not None:
            scores = self._scores(inputs.token_ids, settings.prompt_logprobs)
            taken = takewhile(lambda _: not (stop.is_set() or self._closing.is_set()), scores)
            yield Step(prompt_logprobs=tuple(taken))
        if settings.max_new_tokens == 0:  # llama.cpp would make one
            yield Step(finish_reason="length", usage=Usage(len(inputs.token_ids), 0))
            return
        shown = [*(self.reasoning_tags or ()), *self.stop_tokens]
        wanted = request_of(inputs.token_ids, settings, self._context, shown)
        reader = ChunkReader(self._ids_of, settings.logprobs)
        left = threading.Event()
        chunks: PausingQueue[dict[str, Any] | None] = PausingQueue()

        def receive(chunk: dict[str, Any]) -> bool:
            chunks.put(chunk)
            return stop.is_set() or left.is_set() or self._closing.is_set()

        def decode() -> None:
            try:
                self._server.handle_completions(wanted, receive)
            finally:
                chunks.put(None)
                self._threads.discard(thread)

        thread = threading.Thread(target=decode, name="llama.cpp request", daemon=True)
        self._threads.add(thread)
        thread.start()
        try:
            for chunk in chunks.read():
                if chunk is None or stop.is_set():
                    break
                if isinstance(chunk, Pause):
                    yield chunk
                elif step := reader.step(chunk):
                    yield step
        finally:
            left.set()
            if thread is not threading.current_thread():
                thread.join()
        if not reader.finished and not stop.is_set():
            raise BotError("llama.cpp ended the answer without saying why. Its log may tell.")

    def _scores(self, ids: Sequence[int], top: int) -> Iterator[TokenLogprob]:
        """Of each token of a prompt, with `top` candidates."""
        yield TokenLogprob(ids[0], self._text_of(ids[:1]), None)
        for at, own in enumerate(ids[1:], 1):
            asked = score_request(ids[:at], own, top)
            found = scored_of(self._ask("POST", "/completion", asked), own, top)
            if found is None:
                # Chosen in its place, a whole character shows all candidates, and so this one.
                asked = score_request(ids[:at], self._whole_character, self._header.vocabulary or 0)
                found = scored_of(self._ask("POST", "/completion", asked), own, top)
            if found is None:
                raise BotError(f"llama.cpp gave no log-probability of token {own} of the prompt.")
            yield found

    @cached_property
    def _whole_character(self) -> int:
        return self._ids_of(".")[-1]

    def _ids_of(self, text: str, *, added: bool = False, special: bool = False) -> list[int]:
        """A text's ids, with `added` tokens around it; `special` ones are known by their names."""
        asked = {"content": text, "add_special": added, "parse_special": special}
        ids: list[int] = self._ask("POST", "/tokenize", asked)["tokens"]
        return ids

    def idle_slots(self) -> int:
        """Slots that decode nothing now."""
        return sum(not slot["is_processing"] for slot in self._ask("GET", "/slots"))

    def info(self) -> BotInfo:
        """What the file and llama.cpp say."""
        return BotInfo(
            native_class="llama.cpp",
            quantization=self._file_type,
            context_length=self._context,
        )

    def memory(self) -> dict[str, int]:
        """The file's tensors, keys and values of all slots, which llama.cpp holds from the start,
        and the peak."""
        token = self._header.cache_bytes_per_token
        held = {
            "weights": self._header.bytes,
            "cache": None if token is None else token * self._context * self.max_running,
            "peak": peak_resident(),
        }
        return {kind: size for kind, size in held.items() if size is not None}

    def close(self) -> None:
        """End what runs, free the model, remove the socket."""
        self._closing.set()
        for thread in list(self._threads):
            thread.join()
        self._server = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None
