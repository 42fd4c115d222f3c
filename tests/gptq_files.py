"""A GPTQ checkpoint by rounding to the nearest code: the files of GPTQ without its arithmetic.

Format: https://github.com/AutoGPTQ/AutoGPTQ, whose zero points are stored less one.
"""

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

BITS, WORD = 4, 32
MOST = 2**BITS - 1


def write_rounded(folder: Path, out: Path, group: int = 64) -> None:
    """Write the LLaMA in `folder` to `out` with 4-bit projections, `group` inputs a scale."""
    out.mkdir()
    for file in folder.iterdir():
        if file.suffix != ".safetensors" and file.is_file():
            shutil.copy(file, out)
    tensors: dict[str, torch.Tensor] = {}
    for name, weight in load_file(folder / "model.safetensors").items():
        if name.endswith("_proj.weight"):
            stem = name.removesuffix("weight")
            tensors |= {stem + part: one for part, one in rounded(weight.float(), group).items()}
        else:
            tensors[name] = weight
    save_file(tensors, out / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text("utf-8"))
    config["quantization_config"] = {
        "quant_method": "gptq",
        "bits": BITS,
        "group_size": group,
        "desc_act": False,
        "sym": False,
        "checkpoint_format": "gptq",
    }
    (out / "config.json").write_text(json.dumps(config), "utf-8")


def rounded(weight: torch.Tensor, group: int) -> dict[str, torch.Tensor]:
    """`weight` [out, in] as GPTQ's four tensors."""
    outputs, inputs = weight.shape
    cut = weight.view(outputs, -1, group)
    low, high = cut.amin(-1).clamp(max=0), cut.amax(-1).clamp(min=0)
    scale = ((high - low) / MOST).clamp(min=1e-8).half().float()
    zero = (-low / scale).round().clamp(1, MOST)
    codes = ((cut / scale[..., None]).round() + zero[..., None]).clamp(0, MOST)
    return {
        "qweight": packed(codes.view(outputs, inputs).T, 0),
        "qzeros": packed(zero.T - 1, 1),
        "scales": scale.T.half().contiguous(),
        "g_idx": (torch.arange(inputs) // group).int(),
    }


def packed(codes: torch.Tensor, dim: int) -> torch.Tensor:
    """Eight codes along `dim` in one int32, the first in the lowest bits."""
    words = codes.long().unflatten(dim, (-1, WORD // BITS))
    shifts = torch.arange(0, WORD, BITS)
    shifts = shifts.view([-1 if at == dim + 1 else 1 for at in range(words.ndim)])
    total = (words << shifts).sum(dim + 1)
    return torch.where(total >= 1 << 31, total - (1 << 32), total).int().contiguous()
