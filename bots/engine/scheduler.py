"""Decodes many requests together: each step is one pass of the model for all of them.

Requests join and leave between any two steps. A prompt goes in by chunks, so that it does not hold
up the tokens of others for long. What was computed for earlier requests is used again.
"""

import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from traceback import clear_frames
from typing import Any

import torch

from bots.engine.fair_lock import Turns
from bots.engine.kv_cache import KVCache, Stacks, room_for
from bots.engine.prefix_cache import PrefixCache
from bots.engine.ragged_batch import Packed
from bots.engine.sequence import Job
from bots.engine.sequential import Token
from bots.streaming.pause import Pause

CHUNK = 256
"""Tokens of prompts in a step where nobody waits for a token …"""
CHUNK_BESIDE = 64
"""… and where somebody does."""


class Engine:
    """One thread that runs `packed` for all requests. `memory` is for keys and values, in bytes.

    Whoever reads an answer and pauses goes on in this thread, between two steps: waking a thread
    for each token of each request takes longer than what is done with the token.

    Each step is one of `turns`, in which whoever else uses the model has it alone.
    """

    def __init__(self, packed: Packed, memory: int, *, finite: bool) -> None:
        self.turns = Turns()
        self.prefixes = PrefixCache(memory)
        self._packed = packed
        self._memory, self._token_bytes = memory, packed.token_bytes
        self._finite = finite
        self._stacks = Stacks()
        self._inbox: SimpleQueue[Job | None] = SimpleQueue()
        self._waiting: list[Job] = []
        self._running: list[Job] = []
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    def decode(
        self, prompt: Sequence[int], settings: Any, stop: threading.Event
    ) -> Generator[Token | Pause, None, None]:
        """The answer to a prompt of token ids, token by token; pauses between the steps.

        `settings` is a `TransformersSettings`. The log-probabilities are the model's own, before
        penalties and temperature. A token that ends the answer is not part of it. Raises what the
        model raised, and RuntimeError when the engine is closed.
        """
        job = Job(prompt, settings, stop, self._packed.device, finite=self._finite)
        self._inbox.put(job)
        if self._closed.is_set():
            self._refuse()
        try:
            for token in job.out.read():
                if token is None:
                    return
                if isinstance(token, Exception):
                    raise token
                yield token
                if stop.is_set() and isinstance(token, Token):
                    return  # the engine may be a token ahead, which nobody is to see
        finally:
            job.left.set()

    @property
    def running(self) -> int:
        """How many requests are at work or wait for memory."""
        return len(self._running) + len(self._waiting)

    @property
    def nbytes(self) -> int:
        """Memory that keys and values of running and earlier requests hold. From any thread."""
        caches = [job.cache for job in [*self._running]]
        own = sum(cache.nbytes for cache in caches if cache is not None)
        return self.prefixes.nbytes + self._stacks.nbytes + own

    def close(self) -> None:
        """End the thread; requests at work end as if they were stopped."""
        self._inbox.put(None)
        self._thread.join()

    def _refuse(self) -> None:
        """Answer what nobody takes in any more. From any thread."""
        with suppress(Empty):
            while True:
                if (job := self._inbox.get_nowait()) is not None:
                    job.out.put(RuntimeError("The engine is closed."))

    # -- the engine's thread ---------------------------------------------------------------------

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def _run(self) -> None:
        while self._receive():
            try:
                self._round()
            except Exception as error:  # noqa: BLE001 (a dead thread would keep all waiting)
                self._give_up(error)
        self._give_up(None)
        self._closed.set()
        self._refuse()

    def _round(self) -> None:
        for job in [job for job in (*self._running, *self._waiting) if job.over]:
            self._end(job, None)
        self._admit()
        if self._running:
            with self.turns:
                self._step()

    def _give_up(self, error: Exception | None) -> None:
        """End all requests and forget everything."""
        for job in (*self._running, *self._waiting):
            job.cache = None
            job.out.put(error)
        self._running, self._waiting, self._stacks = [], [], Stacks()
        self.prefixes = PrefixCache(self._memory)

    def _receive(self) -> bool:
        """Take in new requests; sleep while there is nothing to do. False is the end."""
        try:
            idle = not self._running and not self._waiting
            while True:
                job = self._inbox.get() if idle else self._inbox.get_nowait()
                if job is None:
                    return False
                self._waiting.append(job)
                idle = False
        except Empty:
            return True

    def _admit(self) -> None:
        """Let requests in, the first first, as far as the memory for all of their tokens goes."""
        while self._waiting:
            job = self._waiting[0]
            left = self._left(job)
            if self._running and left < 0:
                return
            del self._waiting[0]
            self._running.append(job)
            known = self._known(job)
            job.cache = known or self._packed.new_cache(job.prompt)
            self.prefixes.shrink(left)
            if known:
                job.out.put(Token(cached=known.length))

    def _left(self, *more: Job) -> int:
        """Memory that is left when all running requests, and `more`, are at their ends."""
        tokens = sum(room_for(len(job.ids)) for job in (*self._running, *more))
        # Caches and stacks that grow, or whose sequences left, hold a quarter more.
        return self._memory - (tokens + tokens // 4) * self._token_bytes

    def _known(self, job: Job) -> KVCache | None:
        """What earlier requests computed of this one; None also where there is no room to copy."""
        if job.scores_prompt:
            return None
        try:
            return self.prefixes.take(job.ids[: job.prompt], job.prompt)
        except RuntimeError as error:
            if not _is_full(error):
                raise
            return None

    def _step(self) -> None:
        jobs = [job for job in self._running if job.decoding]
        parts = [job.part(1) for job in jobs]
        decoding = len(jobs)
        for job, most in self._prompts(CHUNK_BESIDE if jobs else CHUNK):
            jobs.append(job)
            parts.append(job.part(most))
        try:
            for part in parts[:decoding]:
                self._stacks.place(part.cache)
            logits = self._packed.forward(parts)
        except Exception as error:  # noqa: BLE001 (ends requests, never the engine)
            self._failed(error, jobs)
            return
        best = self._best(jobs, logits)
        for job, rows, token in zip(jobs, logits, best, strict=True):
            try:
                complete = job.take(rows, token)
            except Exception as error:  # noqa: BLE001 (the request is told)
                self._end(job, error)
                continue
            if complete:
                self._end(job, None)

    def _prompts(self, left: int) -> Iterator[tuple[Job, int]]:
        """Whose prompts go on, and by how many tokens, of `left` in all.

        Half is for the oldest, so that it gets there; the rest for those that are nearly there, so
        that a short prompt does not wait for a long one.
        """
        begun = [job for job in self._running if not job.decoding]
        if not begun:
            return
        oldest, *others = begun
        others.sort(key=lambda job: job.missing)
        room = min(sum(job.missing for job in others), left // 2)
        first = min(oldest.missing, left - room)
        yield oldest, first
        left -= first
        for job in others:
            if left > 0:
                yield job, left
                left -= min(left, job.missing)

    def _best(self, jobs: list[Job], logits: list[torch.Tensor]) -> list[int | None]:
        """The most probable token of each request that wants no more than that, found at once."""
        plain = [rows[-1] for job, rows in zip(jobs, logits, strict=True) if job.plain]
        found = iter(torch.stack(plain).argmax(-1).tolist() if plain else ())
        return [next(found) if job.plain else None for job in jobs]

    def _failed(self, error: Exception, jobs: list[Job]) -> None:
        """End the requests of a step. But a full device costs what is kept of earlier ones, and
        where nothing is, the newest request; the others try again."""
        full = _is_full(error)
        clear_frames(error.__traceback__)  # they hold what the pass computed
        if full and self.prefixes.nbytes:
            self.prefixes.shrink(0)
            return
        for job in [max(jobs, key=self._running.index)] if full else jobs:
            self._end(job, error)

    def _end(self, job: Job, error: Exception | None) -> None:
        (self._running if job in self._running else self._waiting).remove(job)
        cache, job.cache = job.cache, None
        try:
            if cache is not None:
                self._keep(job.ids[: cache.length], cache, sound=error is None)
        finally:
            job.out.put(error)

    def _keep(self, ids: torch.Tensor, cache: KVCache, *, sound: bool) -> None:
        """Let go of a sequence, or keep what was computed of it for requests that begin alike."""
        try:
            if cache.stack is not None and sound:
                cache.stack.take_out(cache)
            if sound:
                self.prefixes.put(ids, cache)
                self.prefixes.shrink(self._left())
        except RuntimeError as full:
            if not _is_full(full):
                raise
        finally:
            if cache.stack is not None:
                cache.stack.remove(cache)


def _is_full(error: Exception) -> bool:
    """Whether a device has no memory left; the CPU has no error of its own for it."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
