#!/usr/bin/env python3
"""What PyTorch and timm compute with an EfficientNet whose every number a formula gives.

    python make_parity.py OUT.json --model efficientnet_b0 --channels 1 --height 37 --width 52

writes one JSON object: features and logits in eval mode; logits, gradients and running statistics
of a first training step; the losses of four AdamW steps; gradients in eval mode. Of each tensor
`samples` values at even distances (0: all of them) and the largest magnitude. tests/it/parity.rs
makes the same weights by the same formula, so no weights are shipped. tests/fixtures/parity.json
is the output of --fixture.

Element i of the tensor NAME is U = (splitmix64(fnv1a64(NAME) + i) >> 40) / 2^24, from which
  weight of a convolution or linear map   (2U - 1) * sqrt(3 * gain / fan_in), gain 2 or 1
  norm's weight and running variance      0.75 + 0.5 U
  any other                               (2U - 1) * 0.1
  input (channels first)                  (2U - 1) * sqrt(3)
  target                                  1 where U < 0.5
"""
import argparse
import json

import numpy as np
import timm
import torch

MASK = (1 << 64) - 1
GRADIENTS = [
    "conv_stem.weight", "bn1.weight", "bn1.bias", "blocks.0.0.conv_dw.weight",
    "blocks.0.0.se.conv_reduce.weight", "blocks.1.0.conv_dw.weight", "blocks.2.0.conv_dw.weight",
    "blocks.2.1.bn2.weight", "blocks.3.1.se.conv_expand.bias", "blocks.4.0.conv_pw.weight",
    "blocks.5.3.conv_dw.weight", "blocks.6.0.se.conv_reduce.weight", "blocks.6.0.bn2.bias",
    "conv_head.weight", "bn2.weight",
]
STATISTICS = ["bn1", "blocks.0.0.bn1", "blocks.3.0.bn2", "bn2"]
# Norms over fewer than a dozen pixels amplify rounding: PyTorch in f32 is then 1e-3 from itself in f64.
FIXTURE = [("efficientnet_b0", 1, 3, 37, 52), ("efficientnet_b0", 3, 4, 64, 48)]


def uniform(name, count):
    seed = 0xCBF29CE484222325
    for byte in name.encode():
        seed = ((seed ^ byte) * 0x100000001B3) & MASK
    with np.errstate(over="ignore"):
        z = np.arange(count, dtype=np.uint64) + np.uint64(seed) + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(40)).astype(np.float64) / (1 << 24)


def formula(name, shape):
    if name.endswith("num_batches_tracked"):
        return torch.zeros((), dtype=torch.long)
    count = int(np.prod(shape))
    u = uniform(name, count)
    owner, leaf = name.split(".")[-2:]
    if len(shape) in (2, 4):
        gain = 1.0 if len(shape) == 2 else 2.0
        values = (2 * u - 1) * np.sqrt(3.0 * gain / (count / shape[0]))
    elif owner.startswith("bn") and leaf in ("weight", "running_var"):
        values = 0.75 + 0.5 * u
    else:
        values = (2 * u - 1) * 0.1
    return torch.from_numpy(values.astype(np.float32)).reshape(shape)


def sampled(tensor, samples):
    flat = tensor.detach().double().flatten()
    count = flat.numel() if samples == 0 else min(samples, flat.numel())
    index = [i * flat.numel() // count for i in range(count)]
    return {"values": [float(f"{v:.9g}") for v in flat[index].tolist()], "largest": flat.abs().max().item()}


def case(model, channels, batch, height, width, samples, classes=3, steps=4):
    net = timm.create_model(model, num_classes=classes, in_chans=channels, drop_rate=0.0, drop_path_rate=0.0)
    net.load_state_dict({name: formula(name, tuple(value.shape)) for name, value in net.state_dict().items()})
    shape = (batch, channels, height, width)
    x = (2 * uniform("input", int(np.prod(shape))) - 1) * np.sqrt(3.0)
    x = torch.from_numpy(x.astype(np.float32)).reshape(shape)
    target = torch.from_numpy((uniform("target", batch * classes) < 0.5).astype(np.float32)).reshape(batch, classes)
    bce = torch.nn.functional.binary_cross_entropy_with_logits
    parameters = dict(net.named_parameters())
    names = [name for name in GRADIENTS if name in parameters]
    out = {"model": model, "channels": channels, "batch": batch, "height": height, "width": width, "samples": samples}

    net.eval()
    logits = net(x)
    out["eval_features"] = sampled(net.forward_head(net.forward_features(x), pre_logits=True), samples)
    out["eval_logits"] = sampled(logits, 0)
    bce(logits, target).backward()
    out["eval_gradients"] = {name: sampled(parameters[name].grad, samples) for name in names}

    net.train()
    decay = [p for p in parameters.values() if p.ndim > 1]
    rest = [p for p in parameters.values() if p.ndim <= 1]
    groups = [{"params": decay, "weight_decay": 0.05}, {"params": rest, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.999), eps=1e-8)
    out["losses"] = []
    for step in range(steps):
        optimizer.zero_grad(set_to_none=True)
        logits = net(x)
        loss = bce(logits, target)
        loss.backward()
        out["losses"].append(loss.item())
        if step == 0:
            out["train_logits"] = sampled(logits, 0)
            out["gradients"] = {name: sampled(parameters[name].grad, samples) for name in names}
            state = net.state_dict()
            statistics = [f"{norm}.{leaf}" for norm in STATISTICS for leaf in ("running_mean", "running_var")]
            out["statistics"] = {name: sampled(state[name], samples) for name in statistics}
        optimizer.step()
    return out


def main():
    cli = argparse.ArgumentParser()
    cli.add_argument("out")
    cli.add_argument("--model", default="efficientnet_b0")
    cli.add_argument("--channels", type=int, default=3)
    cli.add_argument("--batch", type=int, default=3)
    cli.add_argument("--height", type=int, default=64)
    cli.add_argument("--width", type=int, default=64)
    cli.add_argument("--samples", type=int, default=0)
    cli.add_argument("--fixture", action="store_true", help="the small cases that the repository keeps")
    a = cli.parse_args()
    torch.use_deterministic_algorithms(True)
    if a.fixture:
        cases = [case(*numbers, samples=4) for numbers in FIXTURE]
        result = {"torch": torch.__version__, "timm": timm.__version__, "cases": cases}
    else:
        result = case(a.model, a.channels, a.batch, a.height, a.width, a.samples)
    with open(a.out, "w") as file:
        json.dump(result, file, indent=1 if a.fixture else None)


if __name__ == "__main__":
    main()
