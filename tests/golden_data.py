"""The golden checkpoints: tiny models in their original formats, with what the originals compute.

Each folder of `tests/golden` has `config.json`, weights and tokenizer files as they would be on
the hub, `golden.json` (cases) with `golden.safetensors` (their logits), and for most
`golden_tokens.json` (texts and their ids by the original tokenizer).
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

GOLDEN = Path(__file__).parent / "golden"
NAMES = sorted(folder.name for folder in GOLDEN.iterdir())
TYPES = {
    "chinese_vicuna_lora": "vicuna",
    "firefly": "firefly",
    "llama": "educhat",
    "llama_gptq": "educhat",
    "t5": "godel",
    "yayi": "yayi",
}
"""What must be given as `--type`; the others are recognised."""


@dataclass(frozen=True)
class Case:
    """One input of a golden checkpoint and what the original makes of it.

    `ids` and `mask` are [batch, time], `logits` is [batch, time, vocabulary] of every position,
    `greedy` [batch, 24] the ids that follow, None where the original was not asked. `facts` is
    the whole entry of golden.json.
    """

    name: str
    ids: torch.Tensor
    mask: torch.Tensor
    logits: torch.Tensor
    greedy: list[list[int]] | None
    facts: dict[str, Any]


def tolerance(checkpoint: str) -> float:
    """How far logits may be from the original's, in float32."""
    return float(_read(checkpoint, "golden.json")["recommended_atol"])


def cases(checkpoint: str) -> list[Case]:
    """All cases of a golden checkpoint."""
    tensors = load_file(GOLDEN / checkpoint / "golden.safetensors")
    found = []
    for facts in _read(checkpoint, "golden.json")["cases"]:
        ids = torch.tensor(facts["input_ids"])
        mask = torch.tensor(facts["attention_mask"]) if "attention_mask" in facts else None
        found.append(
            Case(
                facts["name"],
                ids,
                torch.ones_like(ids) if mask is None else mask,
                tensors[facts["logits"]],
                facts.get("greedy_new_ids"),
                facts,
            )
        )
    return found


def tokens(checkpoint: str) -> dict[str, Any]:
    """What the original tokenizer makes of texts; see the module's docstring."""
    return _read(checkpoint, "golden_tokens.json")


def _read(checkpoint: str, file: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((GOLDEN / checkpoint / file).read_text("utf-8"))
    return found
