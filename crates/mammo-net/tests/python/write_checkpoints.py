#!/usr/bin/env python3
"""Saves checkpoints of every shape that training scripts save, and what PyTorch loads from them.

    python write_checkpoints.py FOLDER

"same NAME": NAME.safetensors holds the tensors of NAME.pth as torch.load gives them, contiguous and
in f32. "refused FILE REASON": FILE is not read, and the message has this reason.
"""
import argparse
import collections
import sys
import zipfile
from pathlib import Path

import numpy
import torch
from safetensors.torch import save_file

folder = Path(sys.argv[1])
torch.manual_seed(5)


def same(name, checkpoint, weights=None, **options):
    """Saves a checkpoint, whose weights are all of it or those under a key."""
    path = folder / f"{name}.pth"
    if checkpoint is not None:
        torch.save(checkpoint, path, **options)
    loaded = torch.load(path, weights_only=False)
    loaded = loaded[weights] if weights else loaded
    tensors = {key: value for key, value in loaded.items() if isinstance(value, torch.Tensor)}
    plain = {key: value.detach().float().contiguous().clone() for key, value in tensors.items()}
    save_file(plain, folder / f"{name}.safetensors")
    print("same", name)


def repack(name, new, method=zipfile.ZIP_DEFLATED, skip=()):
    with zipfile.ZipFile(folder / f"{name}.pth") as old, zipfile.ZipFile(folder / f"{new}.pth", "w", method) as zip:
        for member in old.namelist():
            if not member.endswith(skip or ("no such member",)):
                zip.writestr(member, old.read(member))


values = torch.randn(6, 4, 5)
same("plain", {"a.weight": values, "a.bias": torch.randn(7)})
same("strides", {
    "transposed": values[0].t(),
    "permuted": values.permute(2, 0, 1),
    "channels_last": torch.randn(3, 4, 5, 6).to(memory_format=torch.channels_last),
    "every_second": values[::2, 1:, ::3],
    "expanded": torch.randn(1, 3).expand(4, 3),
    "part": values.flatten()[17:29],
    "sizes_of_one": torch.randn(8, 1, 1, 4)[:, :, :, 1:2],
})
same("numbers", {str(kind).replace("torch.", ""): values.mul(100).to(kind) for kind in (
    torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int64)})
same("bf16_strides", {"w": values.bfloat16().permute(1, 2, 0)[1:]})
same("special", {"w": torch.tensor([float("nan"), float("inf"), -0.0, 1e-42, 3e38])[1:]})
same("scalar", {"w": torch.tensor(2.5), "steps": torch.tensor(12345)})
same("empty", {"w": torch.zeros(0, 3), "v": torch.zeros(2, 0), "u": torch.randn(2)})
shared = torch.randn(4, 6)
same("shared", {"w": shared, "same": shared, "row": shared[2], "rest": shared[1:], "column": shared[:, 3]})
same("parameter", {"w": torch.nn.Parameter(values), "frozen": torch.nn.Parameter(shared.t(), requires_grad=False)})

net = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Linear(4, 2))
same("module", net.state_dict())
optimizer = torch.optim.AdamW(net.parameters())
for parameter in net.parameters():
    parameter.grad = torch.ones_like(parameter)
optimizer.step()
whole = {
    "epoch": 3, "arch": "efficientnet_b4", "metric": 0.75, "best": None, "big": 10**30,
    "args": argparse.Namespace(lr=0.1, names=["a", "b"], betas=(0.9, 0.999)),
    "numpy": numpy.float64(2.5), "history": [0.5, {"loss": 1.5}], "sets": {1, 2}, "bytes": b"abc",
    "optimizer": optimizer.state_dict(), "state_dict": net.state_dict(), "device": torch.device("cpu"),
    "size": torch.Size([1, 2]), "counts": collections.Counter("aab"), "dtype": torch.float32,
}
same("checkpoint", whole, "state_dict")
same("average", {**whole, "state_dict_ema": {k: v * 2 for k, v in net.state_dict().items()}}, "state_dict_ema")
same("model", {"model": net.state_dict(), "optimizer": optimizer.state_dict()}, "model")
same("defaultdict", collections.defaultdict(int, w=values))
attributes = torch.randn(3)
attributes.remark = "set from outside"
same("attributes", {"w": attributes})
for protocol in (3, 4, 5):
    same(f"protocol_{protocol}", whole, "state_dict", pickle_protocol=protocol)

repack("checkpoint", "deflated")
same("deflated", None, "state_dict")
torch.serialization.set_crc32_options(False)
same("without_checksums", {"w": values})
torch.serialization.set_crc32_options(True)

torch.save({"w": values}, folder / "legacy.pth", _use_new_zipfile_serialization=False)
print("refused legacy.pth before 1.6")
torch.jit.script(net).save(folder / "script.pt")
print("refused script.pt TorchScript")
(folder / "text.bin").write_text("not weights")
print("refused text.bin not in the format")
