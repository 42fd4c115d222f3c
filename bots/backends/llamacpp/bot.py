"""LlamaCppChatBot: GGUF files, run by llama.cpp inside this process.

The binding contains llama.cpp's own server. Answers come from it by callbacks. Templates and
tokens, for which the binding has no function, come by HTTP over a Unix socket in a folder that only
this user can open; no network port is opened.

The server gives no log-probability of a new token that ends inside a character: a character of
several tokens has one entry, its last token's.
"""

import shutil
import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import takewhile
from pathlib import Path
from typing import Any, ClassVar

from bots.backends.llamacpp.chunks import ChunkReader, completion_request
from bots.backends.llamacpp.client import LlamaCppClient
from bots.backends.llamacpp.gguf_header import read_header
from bots.backends.llamacpp.parameters import import_binding, read_ahead, server_parameters
from bots.backends.llamacpp.scoring import score_prompt
from bots.backends.llamacpp.socket_folder import SOCKET, private_folder
from bots.chatbot import ChatBot
from bots.checkpoints import builtin
from bots.errors import BotError, InvalidRequest, LoadError
from bots.events import Message, Step, Usage
from bots.hooks import BotInfo, Inputs
from bots.process_memory import peak_resident
from bots.sampling import SamplingSettings
from bots.settings import BotConfig, BotSettings, control
from bots.streaming.pause import Pause, PausingQueue


class LlamaCppSettings(SamplingSettings):
    """The settings of llama.cpp, whose penalties count the prompt's tokens too."""

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

    llama.cpp decodes up to `max_running` requests at a time, each in a slot with its own context
    (see `parameters.context_per_slot`). Memory for all slots is taken at the start, so there are
    few by default.
    """

    Settings = LlamaCppSettings
    max_running = 4
    token_prompts = True
    reasoning_tags = ("<think>", "</think>")

    needs_template: ClassVar[bool] = True
    """Whether the prompt comes from a template in the file, which must then contain one."""

    adds_special_tokens: ClassVar[bool] = True
    """Whether a prompt gets the tokens that the file puts around a text, such as LLaMA's `<s>`."""

    stop_tokens: ClassVar[tuple[str, ...]] = ()
    """Texts of the tokens that end an answer, in addition to those that the file names."""

    def __init__(self, config: BotConfig | None = None) -> None:
        super().__init__(config)
        if self.config.max_running is not None:
            self.max_running = self.config.max_running
        self._server: Any = None
        self._folder: Path | None = None
        self._client: LlamaCppClient | None = None
        self._threads: set[threading.Thread] = set()
        self._closing = threading.Event()

    # -- loading ---------------------------------------------------------------------------------

    def load_model(self) -> None:
        """Check the file, then load it with llama.cpp. Raises LoadError."""
        xllamacpp = import_binding()
        path = builtin.resolve(self.config.pretrained_path, self.progress)
        self.progress("checking the file", None)
        self._header = read_header(path)
        if self.needs_template and not self._header.chat_template:
            # llama.cpp would take ChatML, and a model of another format would answer badly.
            raise LoadError(
                f"{path!r} has no chat template inside, so its prompt format is not known. Name"
                " its family with --type, such as vicuna, or use a file with a template."
            )
        read_ahead(path, self._header, self.progress)
        self.progress("loading the weights", None)
        self._folder = private_folder()
        socket = self._folder / SOCKET
        params = server_parameters(
            xllamacpp, path, self._header, socket, self.max_running, self.config
        )
        try:
            # Returns when the model is loaded and the server listens on the socket.
            self._server = xllamacpp.Server(params)
        except RuntimeError as error:
            self.close()
            raise LoadError(
                f"llama.cpp could not load {path!r} (architecture"
                f" {self._header.architecture!r}); its own message is in the log. Either it does"
                " not know this kind of model, or the file is damaged, or memory is too small."
            ) from error
        self._client = LlamaCppClient(socket)
        properties = self._client.properties()
        self._context = int(properties["default_generation_settings"]["n_ctx"])
        self._file_type = properties.get("model_ftype")

    @property
    def client(self) -> LlamaCppClient:
        """The client of the running server; there is one while the model is loaded."""
        assert self._client is not None
        return self._client

    # -- prompts ---------------------------------------------------------------------------------

    def get_prompt(self, messages: Sequence[Message], settings: BotSettings) -> str:
        """The prompt that the file's template makes of the messages, up to the answer's begin.

        It has no begin token: `get_input` adds the one that the file names.
        """
        return self.client.apply_template(
            [{"role": message.role, "content": message.content} for message in messages]
        )

    def get_input(self, prompt: str) -> Inputs:
        """The ids of llama.cpp's tokenizer; see `adds_special_tokens`."""
        ids = self.client.tokenize(prompt, add_special=self.adds_special_tokens, special=True)
        if not ids:
            raise InvalidRequest("prompt: it has no tokens.", param="prompt")
        return Inputs(prompt, ids)

    def input_of_ids(self, token_ids: Sequence[int]) -> Inputs:
        """Ids exactly as given. Raises InvalidRequest for one outside the vocabulary."""
        size = self._header.vocabulary or 0
        if not token_ids or not all(0 <= token < size for token in token_ids):
            raise InvalidRequest(
                f"prompt: token ids must be from 0 to {size - 1}, and at least one.", param="prompt"
            )
        return Inputs(self.client.detokenize(token_ids), list(token_ids))

    # -- answering -------------------------------------------------------------------------------

    def generate(
        self, inputs: Inputs, settings: SamplingSettings, stop: threading.Event
    ) -> Iterator[Step | Pause]:
        """Decode in one of llama.cpp's slots.

        A stop takes effect at the next token, or after the running batch of the prompt: llama.cpp
        then cancels the task and frees the slot.
        """
        assert inputs.token_ids is not None
        if settings.prompt_logprobs is not None:
            scores = score_prompt(
                self.client,
                inputs.token_ids,
                settings.prompt_logprobs,
                self._header.vocabulary or 0,
            )
            taken = takewhile(lambda _: not (stop.is_set() or self._closing.is_set()), scores)
            yield Step(prompt_logprobs=tuple(taken))
        if settings.max_new_tokens == 0:  # llama.cpp would decode one token
            yield Step(finish_reason="length", usage=Usage(len(inputs.token_ids), 0))
            return
        # `chat()` finds reasoning and stops in the text, so these tokens must have one.
        visible = [*(self.reasoning_tags or ()), *self.stop_tokens]
        request = completion_request(inputs.token_ids, settings, self._context, visible)
        reader = ChunkReader(self.client.tokenize, settings.logprobs)
        with closing(self._chunks(request, stop)) as chunks:
            for chunk in chunks:
                if isinstance(chunk, Pause):
                    yield chunk
                elif step := reader.step(chunk):
                    yield step
        if not reader.finished and not stop.is_set():
            raise BotError("llama.cpp ended the answer without saying why. Its log may tell.")

    def _chunks(
        self, request: Mapping[str, Any], stop: threading.Event
    ) -> Generator[dict[str, Any] | Pause, None, None]:
        """The chunks of an answer, and a pause while there is none. Closing it ends the decoding.

        `handle_completions` blocks until the answer ends, so each request has a thread in it. That
        thread receives the chunks and resumes the paused request, which therefore continues in it:
        waking another thread for each token would take time from the decoding.
        """
        left = threading.Event()
        arrived: PausingQueue[dict[str, Any] | None] = PausingQueue()

        def receive(chunk: dict[str, Any]) -> bool:
            """Called by llama.cpp with each chunk; true cancels the task."""
            arrived.put(chunk)
            return stop.is_set() or left.is_set() or self._closing.is_set()

        def decode() -> None:
            try:
                self._server.handle_completions(request, receive)
            finally:
                arrived.put(None)
                self._threads.discard(thread)

        thread = threading.Thread(target=decode, name="llama.cpp request", daemon=True)
        self._threads.add(thread)
        thread.start()
        try:
            for chunk in arrived.read():
                if chunk is None or stop.is_set() or self._closing.is_set():
                    return
                yield chunk
        finally:
            left.set()
            # The generator may be closed inside `receive`, where joining would wait for itself.
            if thread is not threading.current_thread():
                thread.join()

    def idle_slots(self) -> int:
        """Number of slots without a task."""
        return sum(not slot["is_processing"] for slot in self.client.slots())

    def info(self) -> BotInfo:
        """Quantization and context length, by llama.cpp."""
        return BotInfo(
            native_class="llama.cpp",
            quantization=self._file_type,
            context_length=self._context,
        )

    def memory(self) -> dict[str, int]:
        """Bytes of the file's tensors, of the KV cache and of the process at its peak.

        llama.cpp allocates the KV cache of all slots at the start.
        """
        token = self._header.cache_bytes_per_token
        sizes = {
            "weights": self._header.bytes,
            "cache": None if token is None else token * self._context * self.max_running,
            "peak": peak_resident(),
        }
        return {kind: size for kind, size in sizes.items() if size is not None}

    def close(self) -> None:
        """Cancel what runs, free the model and remove the socket's folder."""
        # The order matters: a thread inside `handle_completions` needs the server.
        self._closing.set()
        for thread in list(self._threads):
            thread.join()
        if self._client is not None:
            self._client.close()
            self._client = None
        self._server = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None
