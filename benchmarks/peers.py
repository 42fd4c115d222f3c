"""The servers that `benchmarks.serve` compares: their command lines and request bodies.

All get the same weights and all cores, and must generate exactly the requested number of tokens.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bots.checkpoints import builtin

FOLDER, GGUF = "builtin:smollm2", "builtin:smollm2-gguf"
_TRANSFORMERS = "import sys; from transformers.cli.transformers import main; sys.exit(main())"
# By default the blocks take a third of the machine's memory.
_BATCHING = ("--continuous-batching", "--cb-num-blocks", "64")
_CAN_SERVE = "from transformers.utils.import_utils import is_serve_available as can; assert can()"


@dataclass(frozen=True)
class Peer:
    """A server. `command` gives its command line for a port; `extra` gives request fields beside
    messages and length; the path `ready` answers 200 once the server is up; `missing` is the reason
    why it cannot run, None where it can."""

    name: str
    precision: str
    command: Callable[[int], list[str]]
    extra: Callable[[int], dict[str, Any]]
    ready: str = "/health"
    environment: Mapping[str, str] = field(default_factory=dict)
    missing: str | None = None

    def body(self, text: str, tokens: int) -> dict[str, Any]:
        """A request body for `tokens` tokens, greedy, without an early end."""
        messages = [{"role": "user", "content": text}]
        return {"messages": messages, "max_tokens": tokens} | self.extra(tokens)


def _greedy(tokens: int) -> dict[str, Any]:
    return {
        "temperature": 0,
        "ignore_eos": True,
        "stream_options": {"include_usage": True},
    }


def _of_transformers(tokens: int) -> dict[str, Any]:
    """`transformers serve` refuses fields that OpenAI lacks, and accepts these instead."""
    config = {"do_sample": False, "max_new_tokens": tokens, "eos_token_id": -1, "pad_token_id": 0}
    return {"generation_config": json.dumps(config)}


def _worker(kind: str, path: str, places: int) -> Callable[[int], list[str]]:
    flags = ["--type", kind, "--pretrained-path", path, "--max-running", str(places)]
    if kind == "auto":
        flags += ["--dtype", "float32"]
    return lambda port: [sys.executable, "-m", "server", "--port", str(port), *flags]


def _transformers(python: str, *flags: str) -> Callable[[int], list[str]]:
    start = [python, "-c", _TRANSFORMERS, "serve"]
    fixed = ["--dtype", "float32", "--host", "127.0.0.1", *flags]
    return lambda port: [*start, builtin.resolve(FOLDER), *fixed, "--port", str(port)]


def _vllm(python: str) -> Callable[[int], list[str]]:
    start = [python, "-m", "vllm.entrypoints.openai.api_server", "--served-model-name", "smollm2"]
    fixed = ["--dtype", "float32", "--enforce-eager", "--max-model-len", "2048"]
    fixed += ["--host", "127.0.0.1"]
    return lambda port: [*start, "--model", builtin.resolve(FOLDER), *fixed, "--port", str(port)]


def _why_not(python: str | None, code: str, advice: str) -> str | None:
    """The reason why `code` does not run in the interpreter `python`, None where it does."""
    if not python:
        return advice
    try:
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    except OSError as error:
        return f"{python} cannot be started: {error.strerror}"
    if not done.returncode:
        return None
    last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
    return f"{advice} ({last})"


def all_peers(places: int, python: str, vllm: str | None) -> list[Peer]:
    """All servers, ours first, including those that cannot run.

    `places` is the number of requests that our workers run at once; `python` is an interpreter with
    transformers[serving], `vllm` one with vLLM.
    """
    serving = _why_not(python, _CAN_SERVE, "needs transformers[serving]; see --peers")
    llama = _why_not(sys.executable, "import xllamacpp", "needs chatzoo[llamacpp]")
    other = _why_not(vllm, "import vllm", "no Python with it was given; see --vllm-python")
    space = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1"}
    return [
        Peer("ours", "float32", _worker("auto", FOLDER, places), _greedy, "/readyz"),
        Peer(
            "transformers serve",
            "float32",
            _transformers(python),
            _of_transformers,
            missing=serving,
        ),
        Peer(
            "transformers serve, continuous batching",
            "float32",
            _transformers(python, *_BATCHING),
            _of_transformers,
            missing=serving,
        ),
        Peer("vLLM", "float32", _vllm(vllm or ""), _greedy, environment=space, missing=other),
        Peer(
            "llama.cpp in our worker",
            "4 bit",
            _worker("llamacpp", GGUF, places),
            _greedy,
            "/readyz",
            missing=llama,
        ),
        Peer(
            "llama.cpp's own server",
            "4 bit",
            lambda port: [sys.executable, "-m", "benchmarks.llama_server", str(port), str(places)],
            _greedy,
            missing=llama,
        ),
    ]


def surroundings(peer: Peer, threads: int) -> dict[str, str]:
    """The environment of a server: no downloads, and the same number of threads for all."""
    fixed = {"OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1"}
    return {**os.environ, **fixed, **peer.environment}
