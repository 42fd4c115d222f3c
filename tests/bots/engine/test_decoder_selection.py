"""Which decoders a loaded model gets."""

import logging
from typing import Any

import pytest
from transformers import T5ForConditionalGeneration

from bots.engine.beam import BeamDecoder
from bots.engine.decoder_selection import choose_decoders
from bots.engine.scheduler import Scheduler
from bots.engine.sequential import SequentialDecoder
from bots.streaming.pause import wait_at_pauses
from tests.bots.engine.models import SEQUENTIAL, alone, chosen, ids, llama, made, never, prompt_of
from tests.golden_data import GOLDEN


def unasked() -> int:
    raise AssertionError("sequential decoding has no memory for KV caches")


def test_a_model_that_can_be_batched(caplog: pytest.LogCaptureFixture) -> None:
    decoders = choose_decoders(llama(), kv_memory=lambda: 1 << 24)
    assert isinstance(decoders.single, Scheduler)
    assert decoders.obstacle is None
    assert caplog.messages == []
    found = ids(wait_at_pauses(decoders.decode(prompt_of(20), chosen(), never())))
    assert found == alone(llama(), prompt_of(20), chosen())
    assert decoders.cache_bytes
    decoders.close()
    with pytest.raises(RuntimeError, match="closed"):
        list(wait_at_pauses(decoders.decode(prompt_of(20), chosen(), never())))


def test_a_model_that_cannot_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    model = T5ForConditionalGeneration.from_pretrained(GOLDEN / "t5").eval()
    decoders = choose_decoders(model, kv_memory=unasked)
    assert isinstance(decoders.single, SequentialDecoder)
    assert decoders.obstacle == "It is an encoder-decoder model."
    [record] = caplog.records
    assert (record.levelno, record.name) == (logging.WARNING, "bots.engine.decoder_selection")
    assert record.getMessage() == (
        "T5ForConditionalGeneration decodes one request at a time: It is an encoder-decoder model."
    )
    assert len(ids(wait_at_pauses(decoders.decode([5, 1], chosen(), never())))) == 12
    assert decoders.cache_bytes is None
    decoders.close()


def test_weights_on_disk_are_not_tried() -> None:
    model = llama()
    before = model.config._attn_implementation
    model.hf_device_map = {"model": "cpu", "lm_head": "disk"}
    decoders = choose_decoders(model, kv_memory=unasked)
    assert decoders.obstacle is not None
    assert "on disk" in decoders.obstacle
    assert isinstance(decoders.single, SequentialDecoder)
    assert model.config._attn_implementation == before


@pytest.mark.parametrize("batched", [True, False])
def test_beams_go_to_the_beam_search(batched: bool) -> None:
    model = llama() if batched else made(SEQUENTIAL["dynamic"])
    decoders = choose_decoders(model, kv_memory=lambda: 1 << 24)
    assert isinstance(decoders.single, Scheduler) is batched
    settings = chosen(num_beams=3)
    twin: Any = llama() if batched else made(SEQUENTIAL["dynamic"])
    outputs = list(wait_at_pauses(decoders.decode(prompt_of(9), settings, never())))
    assert outputs == list(BeamDecoder(twin).decode(prompt_of(9), settings, never()))
    decoders.close()
