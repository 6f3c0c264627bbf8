"""Loads a checkpoint into timm and prints the logit of cancer of each image, a line each.

    load_checkpoint.py best.safetensors images.f32 BATCH HEIGHT WIDTH
"""
import json
import sys

import numpy
import timm
import torch
from safetensors import safe_open

path, images, batch, height, width = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6])
with safe_open(path, "pt") as file:
    facts = json.loads(file.metadata()["mammo_pipe"])
    tensors = {name: file.get_tensor(name) for name in file.keys()}
model = facts["train"]["model"]
network = timm.create_model(model["variant"], in_chans=model["channels"], num_classes=0)
backbone = {name: tensor for name, tensor in tensors.items() if not name.startswith("heads.")}
wanted = {name for name in network.state_dict() if not name.endswith("num_batches_tracked")}
assert set(backbone) == wanted, set(backbone) ^ wanted
network.load_state_dict(backbone, strict=False)
network.eval()
pixels = numpy.fromfile(images, "<f4").reshape(batch, 1, height, width)
mean, std = (facts["normalisation"][key][0] for key in ("mean", "std"))
with torch.no_grad():
    features = network(torch.from_numpy((pixels - numpy.float32(mean)) / numpy.float32(std)))
    logits = features @ tensors["heads.cancer.weight"].T + tensors["heads.cancer.bias"]
for logit in logits[:, 0].tolist():
    print(logit)
