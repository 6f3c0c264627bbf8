#!/usr/bin/env python3
"""Writes weights as timm and torchvision do, and reads ours; prints the features of each.

    python write_weights.py FOLDER

One JSON line a file: file, model, channels of the network that is to read it, and the pooled
features of a fixed input in eval mode. FOLDER/ours.safetensors is loaded into timm's network.
"""
import json
import sys
from pathlib import Path

import timm
import torch
import torchvision
from safetensors.torch import load_file, save_file

folder = Path(sys.argv[1])


def image(channels):
    x = (torch.arange(2 * channels * 48 * 40) * 37 % 101).float() / 50 - 1
    return x.reshape(2, channels, 48, 40)


def unsettled(net):
    """Running statistics and norms as training leaves them, not as they begin."""
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.8, 1.2)
            torch.nn.init.uniform_(module.bias, -0.1, 0.1)
            torch.nn.init.uniform_(module.running_mean, -0.1, 0.1)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
    return net.eval()


def say(file, model, channels, features):
    line = {"file": file, "model": model, "channels": channels, "features": features.flatten().tolist()}
    print(json.dumps(line))


def timm_features(net, x):
    return net.forward_head(net.forward_features(x), pre_logits=True)


def tensors(net):
    return {name: value.contiguous() for name, value in net.state_dict().items()}


torch.manual_seed(3)
with torch.no_grad():
    net = unsettled(timm.create_model("efficientnet_b0", num_classes=5))
    save_file(tensors(net), folder / "timm.safetensors")
    say("timm.safetensors", "efficientnet_b0", 3, timm_features(net, image(3)))

    # A grey network from colour weights: the same as three equal channels.
    say("timm.safetensors", "efficientnet_b0", 1, timm_features(net, image(1).expand(-1, 3, -1, -1)))

    wrapped = {f"module.{name}": value for name, value in net.state_dict().items()}
    torch.save({"state_dict": wrapped, "epoch": 3}, folder / "timm.pth")
    say("timm.pth", "efficientnet_b0", 3, timm_features(net, image(3)))

    for name in ("efficientnet_b0", "efficientnet_b5"):
        net = unsettled(getattr(torchvision.models, name)(weights=None))
        torch.save(net.state_dict(), folder / f"torchvision_{name}.pth")
        x = torch.flatten(net.avgpool(net.features(image(3))), 1)
        say(f"torchvision_{name}.pth", name, 3, x)

    net = timm.create_model("efficientnet_b0", in_chans=1, num_classes=0).eval()
    ours = load_file(folder / "ours.safetensors")
    missing, unexpected = net.load_state_dict(ours, strict=False)
    assert not unexpected and all(name.endswith("num_batches_tracked") for name in missing)
    say("ours.safetensors", "efficientnet_b0", 1, timm_features(net, image(1)))
