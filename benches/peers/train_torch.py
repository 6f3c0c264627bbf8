#!/usr/bin/env python3
"""The peer of `mammo-pipe bench train`: PyTorch with timm, on random images.

    pip install torch timm
    python3 benches/peers/train_torch.py --batch 4 --height 256 --width 256 --threads 2
    python3 benches/peers/train_torch.py --device cuda --batch 64 --height 1024 --width 512 --amp

A step is forward, backward and AdamW, as a careful user writes it: channels last, gradients set
to none, bfloat16 autocast with --amp. Prints one JSON line with the fields of `bench train --json`.
"""
import argparse
import json
import resource
import statistics
import time

import timm
import torch


def arguments():
    cli = argparse.ArgumentParser()
    cli.add_argument("--model", default="efficientnet_b4")
    cli.add_argument("--device", default="cpu")
    for name, default in (("batch", 4), ("channels", 1), ("height", 256), ("width", 128)):
        cli.add_argument(f"--{name}", type=int, default=default)
    for name, default in (("steps", 10), ("warmup", 3), ("threads", 0)):
        cli.add_argument(f"--{name}", type=int, default=default)
    for name in ("forward-only", "amp", "compile"):
        cli.add_argument(f"--{name}", action="store_true")
    return cli.parse_args()


def main():
    a = arguments()
    if a.threads:
        torch.set_num_threads(a.threads)
    on_gpu = a.device.startswith("cuda")
    torch.backends.cudnn.benchmark = on_gpu
    net = timm.create_model(a.model, num_classes=1, in_chans=a.channels, drop_rate=0.4, drop_path_rate=0.2)
    net = net.to(a.device, memory_format=torch.channels_last).train(not a.forward_only)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-4)
    run = torch.compile(net) if a.compile else net
    images = torch.randn(a.batch, a.channels, a.height, a.width, device=a.device)
    images = images.contiguous(memory_format=torch.channels_last)
    labels = (torch.arange(a.batch, device=a.device) % 2).float()[:, None]
    autocast = torch.autocast(a.device.split(":")[0], torch.bfloat16, enabled=a.amp)

    def infer():
        with torch.no_grad(), autocast:
            run(images)

    def train():
        with autocast:
            logits = run(images)
        torch.nn.functional.binary_cross_entropy_with_logits(logits.float(), labels).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    times = []
    for step in range(a.warmup + a.steps):
        start = time.perf_counter()
        infer() if a.forward_only else train()
        if on_gpu:
            torch.cuda.synchronize()
        if step >= a.warmup:
            times.append(time.perf_counter() - start)
    median = statistics.median(times)
    peak = torch.cuda.max_memory_allocated() / 2**20 if on_gpu else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    names = ("model", "batch", "height", "width", "forward_only")
    report = {name: getattr(a, name) for name in names}
    report |= {"threads": torch.get_num_threads(), "step_ms": median * 1e3, "images_per_s": a.batch / median, "peak_mib": peak}
    print(json.dumps(report))


if __name__ == "__main__":
    main()
