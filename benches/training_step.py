#!/usr/bin/env python3
"""A training step beside PyTorch's, in turn, in one run: `mammo-pipe bench train` and peers/train_torch.py.

    cargo build --release
    pip install torch timm
    python benches/training_step.py [--rounds 3] [--variant efficientnet_b4] [--batch 4] [--height 256] [--width 256]
                                    [--threads 2] [--forward-only] [--device cpu]

Prints a line of Markdown: median step of each side in ms, images a second, peak memory, and the median
of the ratios of pairs. PyTorch runs channels last, and with --device cuda under bfloat16 autocast as
ours does with --precision bf16.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).parent


def measured(command):
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"{command}\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def main():
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("--program", default=str(HERE.parent / "target/release/mammo-pipe"))
    cli.add_argument("--rounds", type=int, default=3)
    cli.add_argument("--variant", default="efficientnet_b4")
    cli.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    for name, default in (("batch", 4), ("height", 256), ("width", 256), ("threads", 2), ("steps", 10)):
        cli.add_argument(f"--{name}", type=int, default=default)
    cli.add_argument("--forward-only", action="store_true")
    options = cli.parse_args()
    common = ["--model", options.variant]
    for name in ("batch", "height", "width", "threads", "steps"):
        common += [f"--{name}", getattr(options, name)]
    common += ["--forward-only"] if options.forward_only else []
    ours = [options.program, "bench", "train", "--json", *common]
    peer = [sys.executable, HERE / "peers/train_torch.py", *common]
    if options.device == "cuda":
        ours += ["--device", "cuda:0", "--precision", "bf16"]
        peer += ["--device", "cuda", "--amp"]
    pairs = [(measured(ours), measured(peer)) for _ in range(options.rounds)]
    middle = lambda side, field: statistics.median(pair[side][field] or float("nan") for pair in pairs)
    ratio = statistics.median(pair[1]["step_ms"] / pair[0]["step_ms"] for pair in pairs)
    print("| network | batch | ours ms | images/s | MiB | PyTorch ms | images/s | MiB | ratio |")
    print("|---|---|---|---|---|---|---|---|---|")
    columns = [f"{middle(side, field):.0f}" for side in (0, 1) for field in ("step_ms", "images_per_s", "peak_mib")]
    size = f"{options.batch} of {options.height}x{options.width}"
    print(f"| {options.variant} | {size} | {' | '.join(columns)} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
