"""Every golden checkpoint, loaded as a worker loads it, computes what its original computed.

`make models` writes the table that this run makes into docs/models.md; without that, the test of
the table fails when the page says something else.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from bots.backends.transformers import TransformersChatBot
from bots.events import Delta
from bots.registry.registry import choose_bot
from bots.settings import BotConfig
from tests.golden_data import GOLDEN, NAMES, TYPES, Case, cases, tolerance

PAGE = Path(__file__).parents[2] / "docs" / "models.md"
TABLE = re.compile(r"(?<=<!-- table -->\n).*?(?=<!-- /table -->)", re.S)

Rows = dict[str, tuple[str, str, str]]


@pytest.fixture(scope="module")
def rows() -> Rows:
    """The table's rows, filled by the tests: family, class, what was compared."""
    return {}


@pytest.fixture(scope="module", params=NAMES)
def loaded(request: pytest.FixtureRequest) -> Iterator[tuple[str, TransformersChatBot]]:
    """A bot of each golden checkpoint, in float32 on the CPU."""
    name: str = request.param
    path = str(GOLDEN / name)
    base = str(GOLDEN / "llama") if name == "chinese_vicuna_lora" else None
    bot = choose_bot(path, family=TYPES.get(name))(
        BotConfig(path, base_model=base, dtype="float32", devices="cpu")
    )
    assert isinstance(bot, TransformersChatBot)
    bot.load()
    yield name, bot
    bot.close()


def logits_of(bot: TransformersChatBot, case: Case) -> torch.Tensor:
    """Logits [batch, time, vocabulary] of a whole padded batch."""
    more = {
        name: torch.tensor(case.facts[name])
        for name in ("position_ids", "decoder_input_ids")
        if name in case.facts
    }
    with torch.inference_mode():
        logits: torch.Tensor = bot.model(
            input_ids=case.ids, attention_mask=case.mask, use_cache=False, **more
        ).logits
    return logits


def greedy_of(bot: TransformersChatBot, ids: list[int], count: int) -> list[int]:
    """The ids that follow, as the engine decodes them for a request."""
    settings = bot.Settings.parse(
        {
            "temperature": 0,
            "max_new_tokens": count,
            "ignore_eos": True,
            "repetition_penalty": 1,
            "num_beams": 1,
            "min_new_tokens": 0,
        }
    )
    events = bot.run(bot.prepare_text(ids, settings))
    return [token for event in events if isinstance(event, Delta) for token in event.token_ids]


def test_logits_and_greedy_answers(loaded: tuple[str, TransformersChatBot], rows: Rows) -> None:
    """Within the tolerance of the golden file, in padded batches too; the same 24 tokens."""
    name, bot = loaded
    worst, tokens = 0.0, 0
    for case in cases(name):
        logits = logits_of(bot, case)
        # An encoder's padding leaves no gap in the decoder's output.
        seen = case.mask.bool() if logits.shape[:2] == case.mask.shape else slice(None)
        worst = max(worst, float((logits - case.logits)[seen].abs().max()))
        for row, wanted in enumerate(case.greedy or []):
            ids = case.ids[row][case.mask[row].bool()].tolist()
            assert greedy_of(bot, ids, len(wanted)) == wanted, f"{case.name}, row {row}"
            tokens += len(wanted)
    assert worst <= tolerance(name)
    info = bot.info()
    how = ", ".join(filter(None, (info.quantization, info.adapter and "LoRA")))
    rows[name] = (
        f"{bot.family}{f' ({how})' if how else ''}",
        str(info.native_class),
        f"{worst:.1e} | {tolerance(name):g} | {tokens} of {tokens}",
    )


def test_the_table_of_the_documentation(rows: Rows) -> None:
    """docs/models.md shows what was just compared; differences vary with the processor."""
    if set(rows) != set(NAMES):
        pytest.skip("not all checkpoints were compared")
    head = "| checkpoint | family | class | logits differ by | allowed | greedy tokens |"
    lines = [head, "|---|---|---|---|---|---|"]
    lines += [f"| `{name}` | {' | '.join(row)} |" for name, row in sorted(rows.items())]
    table = "\n".join(lines) + "\n"
    page = PAGE.read_text("utf-8")
    if os.environ.get("CHATZOO_WRITE_MODELS"):
        PAGE.write_text(TABLE.sub(lambda _: table, page), "utf-8")
        return
    found = TABLE.search(page)
    assert found
    assert _without_measures(found[0]) == _without_measures(table), "run `make models`"


def _without_measures(table: str) -> str:
    return re.sub(r"\d\.\de[-+]\d+", "", table)
