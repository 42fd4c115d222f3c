"""One request of a decoder-only model with transformers' own KV cache."""

import threading
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from bots.engine.causal import CausalRun, cache_argument


class Positioned:
    """A model that takes its positions as an argument, in two rows, and its prompt in one piece."""

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


def test_a_model_s_own_positions_are_those_of_the_new_ids(tiny_model: Any) -> None:
    model = Positioned(tiny_model)
    run = CausalRun(model, [5, 6, 7], 2, prefill_chunk=2)
    with torch.inference_mode():
        list(run.prefill(threading.Event(), every_position=False))
        run.ids[3] = 8
        logits = run.advance(4)
        wanted = tiny_model(run.ids[None, :4]).logits[:, -1]
    assert [one.tolist() for one in model.seen] == [[[[0, 1, 2], [0, 10, 20]]], [[[3], [30]]]]
    assert torch.allclose(logits, wanted, atol=1e-5)


@pytest.mark.parametrize(("every_position", "rows"), [(True, [3, 3, 1]), (False, [1, 1, 1])])
def test_prefill_yields_the_logits_of_each_chunk(
    tiny_model: Any, every_position: bool, rows: list[int]
) -> None:
    prompt = [5, 6, 7, 8, 9, 10, 11]
    run = CausalRun(tiny_model, prompt, 0, prefill_chunk=3)
    with torch.inference_mode():
        found = list(run.prefill(threading.Event(), every_position=every_position))
        wanted = tiny_model(torch.tensor([prompt])).logits[0]
    assert [end for end, _ in found] == [3, 6, 7]
    assert [len(logits) for _, logits in found] == rows
    for end, logits in found:
        assert torch.allclose(logits, wanted[end - len(logits) : end], atol=1e-5)


def test_logits_of_a_model_that_ignores_how_many_are_wanted(tiny_model: Any) -> None:
    """Remote code may take `logits_to_keep` and give all."""
    own = tiny_model.forward

    class Wasteful(Positioned):
        def forward(self, position_ids: torch.Tensor, **inputs: Any) -> Any:
            del inputs["logits_to_keep"]
            return own(position_ids=position_ids[:, 0], **inputs)

        __call__ = forward

    run = CausalRun(Wasteful(tiny_model), [5, 6, 7], 0)
    with torch.inference_mode():
        [(_, logits)] = run.prefill(threading.Event(), every_position=False)
    assert len(logits) == 1


def test_the_cache_has_the_name_that_the_model_gives_it(tiny_model: Any) -> None:
    """Remote code is written for transformers before 5.24."""

    def older(input_ids: Any, past_key_values: Any = None) -> None: ...

    assert cache_argument(SimpleNamespace(forward=older)) == "past_key_values"
    assert cache_argument(tiny_model) == "cache"
