"""Decoder-only models whose positions are their own business."""

import threading
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from bots.engine import causal
from bots.engine.causal import Causal, cache_argument


class Positioned:
    """A model that has its positions told, in two rows, and wants its prompt in one."""

    prefill_in_one = True

    def __init__(self, model: Any) -> None:
        self._model = model
        self.config = model.config
        self.get_input_embeddings = model.get_input_embeddings
        self.modules = model.modules
        self.seen: list[torch.Tensor] = []

    def position_ids_of(self, ids: torch.Tensor) -> torch.Tensor:
        places = torch.arange(ids.shape[1])[None]
        return torch.stack([places, places * 10], dim=1)

    def forward(self, position_ids: torch.Tensor, **inputs: Any) -> Any:
        self.seen.append(position_ids)
        return self._model(position_ids=position_ids[:, 0], **inputs)

    __call__ = forward


def test_a_model_s_own_positions_are_those_of_the_new_ids(
    tiny_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(causal, "PREFILL_CHUNK", 2)
    model = Positioned(tiny_model)
    run = Causal(model, [5, 6, 7], 2)
    with torch.inference_mode():
        run.prefill(threading.Event(), None)
        run.ids[0, 3] = 8
        run.advance(4)
        wanted = tiny_model(run.ids[:, :4]).logits[:, -1]
    assert [one.tolist() for one in model.seen] == [[[[0, 1, 2], [0, 10, 20]]], [[[3], [30]]]]
    assert torch.allclose(run.logits, wanted, atol=1e-5)


def test_the_cache_has_the_name_that_the_model_gives_it(tiny_model: Any) -> None:
    """Remote code was written for a transformers before 5.24."""

    def older(input_ids: Any, past_key_values: Any = None) -> None: ...

    assert cache_argument(SimpleNamespace(forward=older)) == "past_key_values"
    assert cache_argument(tiny_model) == "cache"
