"""Packed tensors of a checkpoint: every kind of grouping, and the memory that loading takes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from transformers import CodeGenForCausalLM

from bots.checkpoints.load import Checkpoint
from bots.checkpoints.quantized.formats import GptqFormat, dequantize
from bots.checkpoints.quantized.repack import plan_repack
from bots.checkpoints.shards import Shards
from bots.checkpoints.state_dict import unchanged
from bots.errors import LoadError
from bots.layers.layout import Kernel
from bots.layers.quantized import QuantizedLinear
from tests.golden_data import GOLDEN

Tensors = dict[str, torch.Tensor]


def gptq(bits: int, group: torch.Tensor, outputs: int = 64) -> Tensors:
    """A random weight; `group` [inputs] is each input's."""
    random = torch.Generator().manual_seed(bits)
    words, groups = (2**31, int(group.max()) + 1)
    shape = (len(group) * bits // 32, outputs)
    return {
        "a.qweight": torch.randint(-words, words, shape, generator=random, dtype=torch.int32),
        "a.qzeros": torch.randint(
            -words, words, (groups, outputs * bits // 32), generator=random, dtype=torch.int32
        ),
        "a.scales": torch.rand(groups, outputs, generator=random).half() / 64,
        "a.g_idx": group.int(),
    }


def layer(tensors: Tensors, bits: int, dtype: torch.dtype, folder: Path) -> QuantizedLinear:
    """The layer that a checkpoint with this weight gets; its outputs are the second half first."""
    save_file(tensors, folder / "model.safetensors")

    def halves(weight: torch.Tensor) -> torch.Tensor:
        return torch.cat(weight.chunk(2)[::-1])

    shards = Shards(folder)
    plan = plan_repack(shards, GptqFormat(bits), lambda name: {name: halves}, "cpu", dtype)
    assert plan.used == set(tensors)
    made = QuantizedLinear(plan.layouts["a"], bias=False, dtype=dtype)
    for name, recipe in plan.recipes.items():
        tensor = recipe.make(*map(shards.read, recipe.sources))
        held = made.get_parameter(name.removeprefix("a."))
        assert (tensor.shape, tensor.dtype) == (held.shape, held.dtype), name
        held.data = tensor
    return made


EVEN = torch.arange(128) // 32
MIXED = EVEN[torch.randperm(128, generator=torch.Generator().manual_seed(3))]
UNEVEN = torch.tensor([0] * 20 + [1] * 108)[torch.randperm(128)]
ONE = torch.zeros(128)


@pytest.mark.parametrize("group", [EVEN, MIXED, UNEVEN, ONE], ids=["even", "act", "odd", "one"])
@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_the_product_is_that_of_the_whole_weight(
    bits: int, group: torch.Tensor, tmp_path: Path
) -> None:
    """In float32 exactly, in bfloat16 as near as that is; for few rows and many."""
    tensors = gptq(bits, group)
    whole = dequantize(GptqFormat(bits), *tensors.values())
    weight = torch.cat(whole.chunk(2)[::-1])
    for rows in (1, 5, 80):
        given = torch.randn(2, rows, 128)
        wanted = given @ weight.T
        found = layer(tensors, bits, torch.float32, tmp_path)(given)
        assert torch.allclose(found, wanted, rtol=1e-4, atol=1e-4 * float(wanted.abs().max()))
        rounded = layer(tensors, bits, torch.bfloat16, tmp_path)(given.bfloat16())
        assert rounded.dtype == torch.bfloat16
        assert float((rounded - wanted).abs().max()) < 0.02 * float(wanted.abs().max())


@pytest.mark.parametrize(
    ("bits", "group", "outputs", "kernel"),
    [
        (4, EVEN, 64, Kernel.INT4PACK),
        (3, MIXED, 64, Kernel.INT4PACK),
        (4, ONE, 64, Kernel.INT4PACK),
        (4, EVEN, 40, Kernel.PLAIN),
        (4, torch.arange(128) // 16, 64, Kernel.PLAIN),
        (4, UNEVEN, 64, Kernel.PLAIN),
        (8, EVEN, 64, Kernel.PLAIN),
    ],
)
def test_which_kernel_runs(
    bits: int, group: torch.Tensor, outputs: int, kernel: Kernel, tmp_path: Path
) -> None:
    """PyTorch's own where the shape is one that it takes, and never in float32."""
    tensors = gptq(bits, group, outputs)
    assert layer(tensors, bits, torch.bfloat16, tmp_path).layout.kernel == kernel
    assert layer(tensors, bits, torch.float32, tmp_path).layout.kernel == Kernel.PLAIN


def test_parts_that_do_not_fit_are_named(tmp_path: Path) -> None:
    save_file(gptq(4, EVEN) | {"a.scales": torch.ones(4, 32)}, tmp_path / "model.safetensors")
    with pytest.raises(LoadError, match=r"^a\.qweight: .*does not fit together at 4 bits"):
        plan_repack(
            Shards(tmp_path), GptqFormat(4), lambda name: {name: unchanged}, "cpu", torch.float32
        )


PEAK = """
import sys, torch
from pathlib import Path
from bots.checkpoints.load import Checkpoint

def status(field):  # bytes; VmHWM is the most that was resident since it was cleared
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) * 1024

window = 2 << 20  # smaller than the usual one by as much as the model is
where = {"dtype": getattr(torch, sys.argv[3]), "device_map": {"": "cpu"}}
Checkpoint(Path(sys.argv[2])).load(**where)  # a tiny one, so that the code's own pages are there
checkpoint = Checkpoint(Path(sys.argv[1]))
Path("/proc/self/clear_refs").write_text("5")
before = status("VmRSS")
model = checkpoint.load(window=window, **where)
for tensor in model.parameters():
    tensor.flatten().view(torch.uint8).max()  # what is mapped from the file is resident once used
print(status("VmHWM") - before)
"""


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_peak_is_the_files_and_a_fifth(dtype: str, tmp_path: Path) -> None:
    """All of an int4 MOSS in one file, as on the hub; nothing is resident twice."""
    size = 1024
    config = json.loads((GOLDEN / "moss_int4" / "config.json").read_text())
    config |= {"n_embd": size, "n_layer": 6, "n_head": 8, "rotary_dim": 16, "groupsize": 128}
    config |= {"vocab_size": 32768}  # as much beside the layers as in a model of few of them
    (tmp_path / "config.json").write_text(json.dumps(config))
    with torch.device("meta"):
        shapes = CodeGenForCausalLM(Checkpoint(tmp_path).native.config).state_dict()
    tensors: Tensors = {}
    for name, tensor in shapes.items():
        if tensor.ndim < 2 or not name.startswith("transformer.h."):
            tensors[name] = torch.zeros(tensor.shape, dtype=torch.float16)
            continue
        outputs, inputs = tensor.shape
        stem = name.removesuffix("weight")
        tensors[stem + "qweight"] = torch.zeros(inputs // 8, outputs, dtype=torch.int32)
        tensors[stem + "qzeros"] = torch.zeros(inputs // 128, outputs // 8, dtype=torch.int32)
        tensors[stem + "scales"] = torch.zeros(inputs // 128, outputs, dtype=torch.float16)
        tensors[stem + "g_idx"] = torch.arange(inputs, dtype=torch.int32) // 128
    torch.save(tensors, tmp_path / "pytorch_model.bin")
    files = (tmp_path / "pytorch_model.bin").stat().st_size
    assert files > 100e6
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(tmp_path), str(GOLDEN / "moss_int4"), dtype],
        capture_output=True,
        text=True,
        check=True,
        # What is freed goes back at once: glibc keeps some, which is much beside so small a model.
        env=os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536"},
    )
    peak = int(done.stdout)
    print(f"{peak / files:.2f} times the files")
    assert peak < files * 1.2, f"{peak / 1e6:.0f} MB for {files / 1e6:.0f} MB of files"
