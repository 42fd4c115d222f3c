"""Our ChatGLM-6B class against numbers of the original code."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import DynamicCache

from bots.checkpoints.formats.chatglm.config import ChatGLMConfig
from bots.checkpoints.formats.chatglm.layers import ChatGLMBlock
from bots.checkpoints.formats.chatglm.modeling import ChatGLMForConditionalGeneration
from tests.golden_data import GOLDEN, Case, cases, tolerance

CASES = {case.name: case for case in cases("chatglm")}
SOP, GMASK, MASK = 704, 701, 700
PROMPT = torch.tensor([[41, 353, 264, 185, GMASK, SOP]])


def loaded(**options: Any) -> Any:
    """The golden checkpoint, from the hub's files."""
    folder = GOLDEN / "chatglm"
    config = ChatGLMConfig(**json.loads((folder / "config.json").read_text("utf-8")))
    tensors: dict[str, torch.Tensor] = {}
    for shard in sorted(folder.glob("pytorch_model-*.bin")):
        tensors |= torch.load(shard, weights_only=True)
    kept = {name: tensor for name, tensor in tensors.items() if not name.endswith("inv_freq")}
    model, info = ChatGLMForConditionalGeneration.from_pretrained(
        None,
        config=config,
        state_dict=kept,
        output_loading_info=True,
        **({"dtype": torch.float32} | options),
    )
    assert not any(info.values())
    model.generation_config.eos_token_id = None  # the golden numbers go on after it
    return model


@pytest.fixture(scope="module")
def model() -> Any:
    return loaded()


@pytest.fixture(params=list(CASES.values()), ids=list(CASES))
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.param
    return found


@torch.inference_mode()  # type: ignore[untyped-decorator]
def logits_of(model: Any, ids: torch.Tensor, mask: torch.Tensor | None = None) -> Any:
    return model(ids, attention_mask=mask).logits


@torch.inference_mode()  # type: ignore[untyped-decorator]
def stepwise(
    model: Any, ids: torch.Tensor, mask: torch.Tensor, steps: int = 24
) -> tuple[list[list[int]], torch.Tensor]:
    """Greedy ids [batch, steps] and their logits, by `forward` with a cache of our own."""
    cache, start, rows = DynamicCache(config=model.config), 0, []
    prompt = ids.shape[1]
    for _ in range(steps):
        positions = model.position_ids_of(ids, mask)[..., start:]
        out = model(ids[:, start:], mask, positions, cache, use_cache=True, logits_to_keep=1)
        start = ids.shape[1]
        rows.append(out.logits[:, -1])
        ids = torch.cat((ids, rows[-1].argmax(-1, keepdim=True)), 1)
        mask = torch.cat((mask, torch.ones_like(mask[:, :1])), 1)
    return ids[:, prompt:].tolist(), torch.stack(rows, 1)


def generated(model: Any, ids: torch.Tensor, **options: Any) -> list[list[int]]:
    """The new ids of `generate`, always from the same seed."""
    torch.manual_seed(0)
    options = {"do_sample": False, "max_new_tokens": 24, "pad_token_id": 3} | options
    out: list[list[int]] = model.generate(ids, **options)[:, ids.shape[1] :].tolist()
    return out


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_logits(model: Any, attention: str) -> None:
    """Every case's logits are the original's, with either attention."""
    model.set_attn_implementation(attention)
    try:
        for case in CASES.values():
            mask = case.mask if "attention_mask" in case.facts else None
            real = case.mask.bool()
            found = logits_of(model, case.ids, mask)
            torch.testing.assert_close(
                found[real], case.logits[real], atol=tolerance("chatglm"), rtol=0
            )
    finally:
        model.set_attn_implementation("sdpa")


def test_positions(model: Any, case: Case) -> None:
    """Both rows of positions are the original's, with padding too."""
    found = model.position_ids_of(case.ids, case.mask)
    assert found.tolist() == case.facts["position_ids_2d"]


def test_generate_greedy(model: Any, case: Case) -> None:
    """`generate` continues as the original does."""
    assert generated(model, case.ids, attention_mask=case.mask) == case.greedy


@pytest.mark.parametrize("name", ["p1", "mask_infill", "batch2_leftpad"])
def test_stepwise_greedy(model: Any, name: str) -> None:
    """A loop of our own with the cache continues as the original does."""
    case = CASES[name]
    ids, logits = stepwise(model, case.ids, case.mask)
    assert ids == case.greedy
    if name == "p1":
        golden = load_file(GOLDEN / "chatglm" / "golden.safetensors")["p1.step_logits"]
        torch.testing.assert_close(logits, golden, atol=tolerance("chatglm"), rtol=0)


@pytest.mark.parametrize(
    "options",
    [{"num_beams": 3}, {"do_sample": True, "top_k": 20}, {"cache_implementation": "static"}],
    ids=["beams", "sampling", "static cache"],
)
def test_generate_with_and_without_cache(model: Any, options: dict[str, Any]) -> None:
    """Beams, sampling and a static cache decode left-padded prompts as no cache does."""
    case = CASES["batch2_leftpad"]
    options = {"attention_mask": case.mask, "max_new_tokens": 10} | options
    plain = {name: value for name, value in options.items() if name != "cache_implementation"}
    assert generated(model, case.ids, **options) == generated(
        model, case.ids, **plain, use_cache=False
    )


def test_logits_to_keep(model: Any) -> None:
    """A number keeps the last positions, a tensor those it names."""
    every = logits_of(model, PROMPT)
    with torch.inference_mode():
        last = model(PROMPT, logits_to_keep=2).logits
        named = model(PROMPT, logits_to_keep=torch.tensor([0, 3])).logits
    torch.testing.assert_close(last, every[:, -2:])
    torch.testing.assert_close(named, every[:, [0, 3]])


def test_context_is_read_in_both_directions(model: Any) -> None:
    """A later token of the context changes an earlier one's logits; one of the answer does not."""
    ids = torch.cat((PROMPT, torch.tensor([[10, 11]])), 1)
    in_context, in_answer = ids.clone(), ids.clone()
    in_context[0, 3], in_answer[0, -1] = 77, 77
    first = logits_of(model, ids)
    assert (logits_of(model, in_context) - first)[0, 0].abs().max() > 0.1
    torch.testing.assert_close(logits_of(model, in_answer)[:, :-1], first[:, :-1])


@pytest.mark.parametrize(
    ("ids", "rows"),
    [
        ([9, 8, 7], [[0, 0, 0], [1, 2, 3]]),
        ([9, GMASK, 7], [[0, 0, 0], [1, 2, 3]]),
        ([9, 8, SOP, 7], [[0, 1, 2, 2], [0, 0, 1, 2]]),
        ([SOP, 7, 7], [[0, 0, 0], [1, 2, 3]]),
        ([9, 8, SOP, GMASK, MASK], [[0, 1, 2, 2, 2], [0, 0, 1, 2, 3]]),
        ([MASK, GMASK, 8, GMASK, SOP], [[0, 1, 2, 3, 1], [0, 0, 0, 0, 1]]),
        ([9, MASK, MASK, SOP, SOP], [[0, 1, 2, 1, 1], [0, 0, 0, 1, 2]]),
    ],
)
def test_positions_of_unusual_prompts(model: Any, ids: list[int], rows: list[list[int]]) -> None:
    """Raw text is all answer; only a mask in the context counts, the first, gMASK before MASK."""
    assert model.position_ids_of(torch.tensor([ids])).tolist() == [rows]
    padded = model.position_ids_of(
        torch.tensor([[3, 3, *ids]]), torch.tensor([[0, 0] + [1] * len(ids)])
    )
    assert padded.tolist() == [[[0, 0, *row] for row in rows]]


def test_raw_text_is_decoded_alike_with_and_without_cache(model: Any) -> None:
    """A prompt without <sop> is causal, so its pieces and its whole agree."""
    raw = torch.tensor([[41, 353, 264, 185]])
    with_cache = generated(model, raw, max_new_tokens=8)
    assert with_cache == generated(model, raw, max_new_tokens=8, use_cache=False)
    positions = model.position_ids_of(raw)
    cache = DynamicCache(config=model.config)
    with torch.inference_mode():
        model(raw[:, :2], None, positions[..., :2], cache)
        second = model(raw[:, 2:], None, positions[..., 2:], cache).logits
    torch.testing.assert_close(second, logits_of(model, raw)[:, 2:], atol=1e-3, rtol=0)


def test_positions_are_needed_with_a_cache(model: Any) -> None:
    """What is in the cache cannot be known from the new ids."""
    with torch.inference_mode():
        cache = model(PROMPT).cache
        with pytest.raises(ValueError, match="needs position_ids"):
            model(torch.tensor([[5]]), cache=cache)
    with pytest.raises(ValueError, match="whole sequence"):
        model.position_ids_of(torch.tensor([[5]]), torch.ones(1, 7))


def test_prompt_in_pieces_is_refused(model: Any) -> None:
    """A context cut in two would be computed wrongly, by hand or by `generate`."""
    assert model.prefill_in_one
    positions = model.position_ids_of(PROMPT)
    cache = DynamicCache(config=model.config)
    with torch.inference_mode():
        model(PROMPT[:, :2], None, positions[..., :2], cache)
        with pytest.raises(ValueError, match="in one piece"):
            model(PROMPT[:, 2:], None, positions[..., 2:], cache)
    with pytest.raises(ValueError, match="whole sequence"):
        generated(model, PROMPT, prefill_chunk_size=2)


def test_frequencies_are_the_checkpoints(model: Any) -> None:
    """The buffer that is not loaded equals what the original stored, and lm_head is tied."""
    shard = torch.load(GOLDEN / "chatglm" / "pytorch_model-00001-of-00004.bin", weights_only=True)
    stored = shard["transformer.layers.0.attention.rotary_emb.inv_freq"]
    assert model.transformer.rotary_emb.inv_freq.equal(stored.float())
    assert model.lm_head.weight is model.transformer.word_embeddings.weight


def test_layers_on_disk(model: Any, tmp_path: Path) -> None:
    """Placed by accelerate, with layers left on the disk, the logits are the same."""
    placed = loaded(device_map="auto", max_memory={"cpu": 800_000}, offload_folder=str(tmp_path))
    assert set(placed.hf_device_map.values()) == {"cpu", "disk"}
    layers = [name for name in placed.hf_device_map if "layers." in name]
    assert len(layers) == 28  # a layer is never split
    assert logits_of(placed, PROMPT).equal(logits_of(model, PROMPT))
    assert generated(placed, PROMPT, max_new_tokens=3) == generated(model, PROMPT, max_new_tokens=3)


@torch.inference_mode()  # type: ignore[untyped-decorator]
def test_the_residual_is_that_of_28_layers_also_in_a_model_of_two() -> None:
    """So computes the original. A block whose other parts are 0 is its residual alone."""
    block = ChatGLMBlock(ChatGLMConfig(hidden_size=16, num_attention_heads=2, num_layers=2), 0)
    for part in (block.attention.dense, block.mlp.dense_4h_to_h):
        for one in part.parameters():
            one.zero_()
    states = torch.randn(1, 3, 16)
    table = (torch.ones(1, 3, 1, 2, 4), torch.zeros(1, 3, 1, 2, 4))
    block.attention._config._attn_implementation = "eager"
    out = block(states, None, table, cache=None)
    normal = torch.nn.functional.layer_norm(states, (16,), eps=1e-5)
    wanted = 56**0.5 * torch.nn.functional.layer_norm(56**0.5 * normal, (16,), eps=1e-5)
    assert (out - wanted).abs().max() < 1e-4
