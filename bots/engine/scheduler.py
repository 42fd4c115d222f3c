"""Continuous batching: decodes many requests together, one forward pass of the model per step.

Requests join and leave between any two steps. Each step computes one token of every decoding
sequence and some chunks of prompts. Independent of families, texts and tokenizers; the model is
behind a `RaggedBatchRunner`, memory behind `KVMemory`.
"""

import threading
from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from traceback import clear_frames
from typing import Any

import torch

from bots.engine.decoder import Decoder, DecoderOutput
from bots.engine.device import is_out_of_memory
from bots.engine.fair_lock import FairLock
from bots.engine.kv_memory import KVMemory
from bots.engine.prefill import share_prefill
from bots.engine.ragged_batch import RaggedBatchRunner
from bots.engine.sequence import RunningSequence
from bots.streaming.pause import Pause


@dataclass(frozen=True, slots=True)
class SchedulerPolicy:
    """Prefill tokens per step.

    `prefill_chunk`: where no sequence decodes. On a CPU with one thread 256 tokens per pass were as
    fast as 512 and 1,024, and larger chunks would only make stops and new requests wait longer.
    `prefill_chunk_beside_decode`: where some do. Each of them waits for the whole pass, so a
    smaller chunk shortens the gaps between their tokens and lengthens the time to the first token
    of the prompt. A quarter of the full chunk is a compromise; it was chosen, not tuned.
    """

    prefill_chunk: int = 256
    prefill_chunk_beside_decode: int = 64


DEFAULT_POLICY = SchedulerPolicy()


class Scheduler(Decoder):
    """One thread that runs `runner` for all requests, with `memory` bytes for KV caches.

    Invariants:
    - The scheduler's thread alone changes sequences, caches and the lists of them. Other threads
      put sequences into the inbox, set events, and read counts.
    - A sequence is in the inbox, in `_waiting` or in `_running` until its outbox has got its last
      item. No reader waits for ever, whatever fails.
    - `_running` is in the order of admission. Its sequences have a cache; waiting ones have none.
    - A step holds `model_lock`; a beam search that holds it uses the model alone.

    The generator that reads the answer runs in the scheduler's thread: `outbox.put` resumes it
    there, between two steps. Waking a thread per token and request takes longer than what is done
    with the token, and on a CPU it takes the time from the forward passes. For that reason the
    generator must not block.
    """

    def __init__(
        self,
        runner: RaggedBatchRunner,
        memory: int,
        *,
        finite: bool = False,
        policy: SchedulerPolicy = DEFAULT_POLICY,
    ) -> None:
        self.model_lock = FairLock()
        self.memory = KVMemory(memory, runner.token_bytes, runner.new_cache)
        self._runner = runner
        self._finite = finite
        self._policy = policy
        self._inbox: SimpleQueue[RunningSequence | None] = SimpleQueue()
        self._waiting: list[RunningSequence] = []
        self._running: list[RunningSequence] = []
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    def decode(
        self, prompt: Sequence[int], settings: Any, stop: threading.Event
    ) -> Generator[DecoderOutput | Pause, None, None]:
        """The answer, token by token, with a pause wherever there is none yet.

        Raises what the model raised, and RuntimeError when the scheduler is closed.
        """
        sequence = RunningSequence(prompt, settings, stop, self._runner.device, finite=self._finite)
        self._inbox.put(sequence)
        # The thread may have emptied the inbox for the last time just before.
        if self._closed.is_set():
            self._refuse()
        try:
            for item in sequence.outbox.read():
                if item is None:
                    return
                if isinstance(item, Exception):
                    raise item
                yield item
                # The scheduler may be a token ahead of a stop; that token is not shown.
                if stop.is_set() and isinstance(item, DecoderOutput):
                    return
        finally:
            sequence.abandoned.set()

    @property
    def active(self) -> int:
        """Number of requests that have not ended. From any thread."""
        return len(self._running) + len(self._waiting) + self._inbox.qsize()

    @property
    def cache_bytes(self) -> int:
        """Bytes of the KV caches of running and finished requests. From any thread."""
        return self.memory.held_by([*self._running])

    def close(self) -> None:
        """End the thread; running requests end as if they were cancelled."""
        self._inbox.put(None)
        self._thread.join()

    def _refuse(self) -> None:
        """Fail the requests of an inbox that is no longer read. From any thread."""
        with suppress(Empty):
            while True:
                if (sequence := self._inbox.get_nowait()) is not None:
                    sequence.outbox.put(RuntimeError("The engine is closed."))

    # -- the scheduler's thread ------------------------------------------------------------------

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def _run(self) -> None:
        while self._receive():
            try:
                self._round()
            # Any exception: without this thread all readers would wait for ever. Errors of single
            # requests are caught further inside, so after this one no state can be trusted.
            except Exception as error:  # noqa: BLE001
                self._fail_all(error)
        self._fail_all(None)
        self._closed.set()
        self._refuse()

    def _receive(self) -> bool:
        """Move new requests to the waiting ones; block while there is nothing to do.

        Returns False when the scheduler is to close.
        """
        try:
            idle = not self._running and not self._waiting
            while True:
                sequence = self._inbox.get() if idle else self._inbox.get_nowait()
                if sequence is None:
                    return False
                self._waiting.append(sequence)
                idle = False
        except Empty:
            return True

    def _round(self) -> None:
        """Drop cancelled requests, admit waiting ones, and run one step."""
        for sequence in (*self._running, *self._waiting):
            if sequence.cancelled:
                self._end(sequence, None)
        self._admit()
        if self._running:
            with self.model_lock:
                self._step()

    def _admit(self) -> None:
        """Admit waiting requests in their order, while their KV caches fit at full length.

        Memory is reserved for the longest answer, so a running request is never evicted. A request
        that does not fit holds up all later ones: smaller ones that overtake it could starve it.
        The first is admitted in any case, or one larger than the budget would wait for ever.
        """
        while self._waiting:
            sequence = self._waiting[0]
            left = self.memory.left_after((*self._running, sequence))
            if self._running and left < 0:
                return
            del self._waiting[0]
            self._running.append(sequence)
            if cached := self.memory.allocate(sequence, left):
                sequence.outbox.put(DecoderOutput(cached=cached))

    def _step(self) -> None:
        """One forward pass: a token of each decoding sequence, and chunks of prompts."""
        sequences = [sequence for sequence in self._running if sequence.decoding]
        chunks = [sequence.next_chunk(1) for sequence in sequences]
        decoding = len(sequences)
        policy = self._policy
        budget = policy.prefill_chunk_beside_decode if decoding else policy.prefill_chunk
        prompts = [sequence for sequence in self._running if not sequence.decoding]
        for index, size in share_prefill([prompt.prefill_left for prompt in prompts], budget):
            sequences.append(prompts[index])
            chunks.append(prompts[index].next_chunk(size))
        try:
            for chunk in chunks[:decoding]:
                self.memory.place(chunk.cache)
            logits = self._runner.forward(chunks)
        # Models raise anything. It ends requests of this step and never the thread.
        except Exception as error:  # noqa: BLE001
            self._handle_failure(error, sequences)
            return
        best = _most_probable(sequences, logits)
        for sequence, rows, token in zip(sequences, logits, best, strict=True):
            try:
                complete = sequence.take(rows, token)
            # Sampling with this request's settings failed, or its reader did.
            except Exception as error:  # noqa: BLE001
                self._end(sequence, error)
                continue
            if complete:
                self._end(sequence, None)

    def _handle_failure(self, error: Exception, sequences: list[RunningSequence]) -> None:
        """End requests after a failed pass. Nothing of it was committed, so others can go on.

        A full device costs as little as possible: first the prefix cache, and where that is empty
        the newest request, which has computed least; the others try again in the next step. Any
        other error ends all sequences of the step, because any of them may be its cause.
        """
        full = is_out_of_memory(error)
        # The frames of the pass hold its activations, whose memory the next step needs.
        clear_frames(error.__traceback__)
        if full and self.memory.prefixes.nbytes:
            self.memory.prefixes.shrink(0)
            return
        for sequence in [max(sequences, key=self._running.index)] if full else sequences:
            self._end(sequence, error)

    def _end(self, sequence: RunningSequence, error: Exception | None) -> None:
        (self._running if sequence in self._running else self._waiting).remove(sequence)
        try:
            self.memory.release(sequence, self._running, keep=error is None)
        finally:
            sequence.outbox.put(error)

    def _fail_all(self, error: Exception | None) -> None:
        """End all requests and drop all caches."""
        for sequence in (*self._running, *self._waiting):
            sequence.cache = None
            sequence.outbox.put(error)
        self._running, self._waiting = [], []
        self.memory.clear()


def _most_probable(
    sequences: list[RunningSequence], logits: list[torch.Tensor]
) -> list[int | None]:
    """The most probable next token of each greedy sequence, None for the others.

    One argmax for all of them: on a GPU each call would wait for the device, on a CPU each costs as
    much as a small layer. Sampled sequences cannot share a call: each has its own random generator,
    penalties and filters (`sampler.Sampler`).
    """
    greedy = [
        rows[-1] for sequence, rows in zip(sequences, logits, strict=True) if sequence.state.greedy
    ]
    tokens = iter(torch.stack(greedy).argmax(-1).tolist() if greedy else ())
    return [next(tokens) if sequence.state.greedy else None for sequence in sequences]
