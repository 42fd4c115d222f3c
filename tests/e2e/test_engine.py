"""Many requests to one worker: each answers as if it were alone, and nothing is left behind."""

import asyncio
import json
import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import torch

from bots.backends.transformers import TransformersChatBot
from bots.engine.sequential import SequentialDecoder
from bots.registry.registry import choose_bot
from bots.settings import BotConfig
from tests.golden_data import GOLDEN
from tests.support import WorkerProcess, eventually, running_worker

MODEL = str(GOLDEN / "llama")
VOCABULARY = 776


@pytest.fixture(scope="module")
def worker() -> Iterator[WorkerProcess]:
    """Sixteen requests run, the others wait; the little memory for keys and values is fought for:
    it is enough for about 1,000 tokens."""
    flags = ["--type", "educhat", "--pretrained-path", MODEL, "--dtype", "float32"]
    limits = ["--max-queue", "256", "--kv-memory", "2MB", "--log-level", "warning"]
    with running_worker(*flags, *limits) as started:
        yield started


@pytest.fixture(scope="module")
def bot() -> Iterator[TransformersChatBot]:
    """The same model here, to decode one request by itself."""
    made = choose_bot(MODEL, family="educhat")(BotConfig(MODEL, dtype="float32"))
    assert isinstance(made, TransformersChatBot)
    made.load()
    yield made
    made.close()


@dataclass(frozen=True)
class Ask:
    """One request: a prompt of token ids and what is set."""

    prompt: tuple[int, ...]
    params: tuple[tuple[str, Any], ...]

    def body(self) -> dict[str, Any]:
        return {"prompt": list(self.prompt), "stream": True, "return_token_ids": True} | dict(
            self.params
        )

    def alone(self, bot: TransformersChatBot) -> list[int]:
        params = {"ignore_eos": True} | dict(self.params)
        params["max_new_tokens"] = params.pop("max_tokens")
        prepared = bot.prepare_text(self.prompt, bot.Settings.parse(params))
        decoder = SequentialDecoder(bot.model)
        outputs = decoder.decode(self.prompt, prepared.settings, threading.Event())
        return [token for output in outputs for token in output.token_ids]


def asks(count: int) -> list[Ask]:
    """Different lengths and settings; half of the prompts begin as another one does."""
    dice = random.Random(5)
    kinds: list[dict[str, Any]] = [
        {"temperature": 0},
        {"temperature": 0.9, "seed": 11, "top_p": 0.8},
        {"temperature": 0, "repetition_penalty": 1.2, "presence_penalty": 0.5},
        {"temperature": 1.2, "seed": 5, "top_k": 20, "min_p": 0.02},
    ]
    common = [dice.randrange(3, VOCABULARY) for _ in range(90)]
    made = []
    for at in range(count):
        own = [dice.randrange(3, VOCABULARY) for _ in range(dice.randint(1, 60))]
        prompt = own if at % 2 else common[: dice.randint(20, 90)] + own
        params = kinds[at % 4] | {"max_tokens": dice.randint(1, 24), "ignore_eos": True}
        made.append(Ask(tuple(prompt), tuple(params.items())))
    return made


async def answer(client: httpx.AsyncClient, ask: Ask, leave: int | None, kind: str) -> list[int]:
    """The ids of an answer. After `leave` pieces it is cancelled, or the connection closed."""
    ids: list[int] = []
    pieces = 0
    async with client.stream("POST", "/v1/completions", json=ask.body()) as reply:
        assert reply.status_code == 200
        async for line in reply.aiter_lines():
            if leave is not None and pieces >= leave:
                if kind == "close":
                    return ids
                await client.post(f"/requests/{reply.headers['x-request-id']}/cancel")
                leave = None
            if line.startswith("data: {"):
                pieces += 1
                piece = json.loads(line[6:])
                assert "error" not in piece, piece
                ids += piece["choices"][0]["token_ids"] or []
    return ids


def gauge(url: str, name: str) -> float:
    lines = httpx.get(f"{url}/metrics").text.splitlines()
    return next(float(line.split()[-1]) for line in lines if line.startswith(f"{name} "))


def idle(url: str) -> bool:
    names = ("chatzoo_num_requests_running", "chatzoo_num_requests_waiting")
    return all(gauge(url, name) == 0 for name in names)


def cache_bytes(url: str) -> float:
    return gauge(url, 'chatzoo_memory_bytes{kind="cache"}')


def test_200_requests_of_which_a_third_leave(
    worker: WorkerProcess, bot: TransformersChatBot
) -> None:
    """Every other one has the tokens that it has alone."""
    known = asks(24)
    alone = {ask: ask.alone(bot) for ask in known}
    dice = random.Random(3)
    plan = [
        (dice.choice(known), dice.randint(0, 8) if at % 3 == 0 else None, ("close", "post")[at % 2])
        for at in range(200)
    ]

    async def storm() -> list[list[int]]:
        # A connection of its own for each: one that is used again may be closed just then.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        async with (
            asyncio.timeout(60),
            httpx.AsyncClient(base_url=worker.url, limits=limits, timeout=60) as client,
        ):
            return await asyncio.gather(*(answer(client, *one) for one in plan))

    found = asyncio.run(storm())
    for (ask, leave, _), ids in zip(plan, found, strict=True):
        if leave is None:
            assert ids == alone[ask]
        else:
            assert ids == alone[ask][: len(ids)]
    eventually(lambda: idle(worker.url), "an idle worker", 5)
    # What is left is what is kept for requests that begin alike, within the worker's limit.
    eventually(lambda: 0 < cache_bytes(worker.url) <= 2_000_000, "memory that is given back", 5)
    assert gauge(worker.url, "chatzoo_cached_tokens_total") > 0


def forward(bot: TransformersChatBot, ids: list[int]) -> torch.Tensor:
    """Log-probabilities [length, vocabulary] by one plain pass."""
    with torch.inference_mode():
        return torch.log_softmax(bot.model(input_ids=torch.tensor([ids])).logits[0].float(), -1)


def check_scores(bot: TransformersChatBot, prompt: list[int], choice: dict[str, Any]) -> None:
    """Each token's log-probability, and the best ones', are those of a plain pass."""
    ids = [*prompt, *choice["token_ids"]]
    wanted = forward(bot, ids)
    scores = choice["logprobs"]
    assert scores["token_logprobs"][0] is None
    assert scores["top_logprobs"][0] is None
    assert len(scores["token_logprobs"]) == len(ids)
    mine = torch.tensor(scores["token_logprobs"][1:])
    theirs = wanted[torch.arange(len(ids) - 1), torch.tensor(ids[1:], dtype=torch.long)]
    assert torch.allclose(mine, theirs, rtol=0, atol=1e-4)
    for at, top in enumerate(scores["top_logprobs"][1:]):
        assert max(top.values()) == pytest.approx(wanted[at].max().item(), abs=1e-4)


def test_scores_are_those_of_a_plain_pass_whatever_else_runs(
    worker: WorkerProcess, bot: TransformersChatBot
) -> None:
    """Prompts of one token, over a chunk's border, and such as another request has computed."""
    dice = random.Random(8)
    common = [dice.randrange(3, VOCABULARY) for _ in range(230)]
    prompts = [common[:1], common[:17], common[:64], common[:65], common[:150], common[3:200]]
    bodies = [
        {
            "prompt": prompt,
            "max_tokens": count,
            "temperature": 0,
            "ignore_eos": True,
            "echo": True,
            "logprobs": 3,
            "return_token_ids": True,
        }
        for prompt in prompts
        for count in (0, 1, 9)
    ]

    async def beside_others() -> list[dict[str, Any]]:
        async with (
            asyncio.timeout(60),
            httpx.AsyncClient(base_url=worker.url, timeout=60) as client,
        ):
            others = [asyncio.create_task(answer(client, ask, None, "")) for ask in asks(12)]
            replies = await asyncio.gather(
                *(client.post("/v1/completions", json=body) for body in bodies)
            )
            await asyncio.gather(*others)
        return [reply.json()["choices"][0] for reply in replies]

    choices = asyncio.run(beside_others())
    alone = [
        httpx.post(f"{worker.url}/v1/completions", json=body, timeout=60).json()["choices"][0]
        for body in bodies[:4]
    ]
    for body, choice in zip([*bodies, *bodies[:4]], [*choices, *alone], strict=True):
        assert len(choice["token_ids"]) == body["max_tokens"]
        check_scores(bot, body["prompt"], choice)  # type: ignore[arg-type]


def test_a_program_that_scores_prompts_always_finds_one_token_after_them(
    worker: WorkerProcess, bot: TransformersChatBot
) -> None:
    """Also where the model ends at once: lm-evaluation-harness cuts the last place off."""
    ends = set(bot.prepare_text([5], bot.Settings()).settings.stop_token_ids)
    prompts = torch.randint(3, VOCABULARY, (4000, 4), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        best_ids = bot.model(input_ids=prompts, logits_to_keep=1).logits[:, 0].argmax(-1).tolist()
    prompt = next(ids for ids, one in zip(prompts.tolist(), best_ids, strict=True) if one in ends)
    body = {"prompt": prompt, "max_tokens": 1, "temperature": 0, "echo": True, "logprobs": 1}
    reply = httpx.post(f"{worker.url}/v1/completions", json=body, timeout=60).json()
    scores = reply["choices"][0]["logprobs"]
    assert reply["choices"][0]["finish_reason"] == "stop"
    assert reply["usage"]["completion_tokens"] == 0
    assert len(scores["token_logprobs"]) == len(prompt) + 1
    best = float(forward(bot, prompt)[-1].max())
    assert scores["token_logprobs"][-1] == pytest.approx(best, abs=1e-4)
