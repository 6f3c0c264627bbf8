#!/usr/bin/env python3
"""Each stage beside what a Python user calls for it, on the same files in one run, one worker each.

    cargo build --release
    pip install pydicom==3.0.1 pylibjpeg pylibjpeg-openjpeg pylibjpeg-libjpeg opencv-python-headless numpy
    mammo-pipe synth /tmp/phantoms --patients 12 --test-patients 0 --size full
    python benches/stages.py /tmp/phantoms [--program target/release/mammo-pipe] [--rounds 3]

FOLDER is a dataset in the shape of RSNA's: real files, or phantoms as above. Prints Markdown: ms per image
of both sides, medians of the rounds; run it on a quiet machine. What Python does in one call stands in one row:

    read             pydicom.dcmread
    look and decode  Dataset.pixel_array (pylibjpeg), always the whole image
    window           apply_voi_lut, scaled to 8 bits, MONOCHROME1 inverted; ours: `judge` and `window`
    roi              Otsu's threshold and connected components of OpenCV, at full size
    resize           cv2.resize, INTER_AREA
    write            cv2.imwrite of a PNG; ours: the CPU time that no stage accounts for (start, table, checksums, encoding, commit)
"""
import argparse
import json
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import warnings

import cv2
import numpy as np
import pydicom
from pydicom.pixels import apply_voi_lut

HERE = pathlib.Path(__file__).parent
ROWS = {
    "read": ["read"],
    "look and decode": ["look", "decode"],
    "window": ["judge", "window"],
    "roi": ["roi"],
    "resize": ["resize"],
}


def ours(options, folder):
    """Milliseconds per image of each row, from the summary of `preprocess`."""
    release = folder / "release"
    command = [options.program, "preprocess", "--input", options.folder, "--output", release, "--json", "--quiet"]
    command += ["--workers", "1", "--readers", "1", "--no-report"]
    command += [word for setting in options.set for word in ("--set", setting)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    # 3: finished with quarantined or missing files.
    if done.returncode not in (0, 3):
        sys.exit(f"{command}\n{done.stdout}{done.stderr}")
    shutil.rmtree(release)
    summary = json.loads(done.stdout)
    busy = {stage["name"]: stage["busy_s"] for stage in summary["stages"]}
    scale = 1000 / summary["counts"]["written"]
    row = {name: scale * sum(busy[stage] for stage in stages) for name, stages in ROWS.items()}
    row["write"] = max(scale * (cpu - sum(busy.values())), 0)
    return row


def theirs(paths, folder, options):
    """The same of pydicom, pylibjpeg and OpenCV."""
    seconds = dict.fromkeys([*ROWS, "write"], 0.0)

    def timed(name, call):
        start = time.perf_counter()
        result = call()
        seconds[name] += time.perf_counter() - start
        return result

    def window(dataset, pixels):
        image = apply_voi_lut(pixels, dataset).astype(np.float32)
        low, high = image.min(), image.max()
        image = (image - low) / max(high - low, 1e-6)
        if dataset.PhotometricInterpretation == "MONOCHROME1":
            image = 1.0 - image
        return (image * 255).astype(np.uint8)

    def roi(image):
        _, mask = cv2.threshold(cv2.GaussianBlur(image, (5, 5), 0), 0, 255, cv2.THRESH_OTSU)
        count, _, stats, _ = cv2.connectedComponentsWithStats(mask)
        if count < 2:
            return image
        x, y, w, h, _ = stats[1 + np.argmax(stats[1:, cv2.CC_STAT_AREA])]
        return image[y : y + h, x : x + w]

    for path in paths:
        dataset = timed("read", lambda: pydicom.dcmread(path))
        pixels = timed("look and decode", lambda: dataset.pixel_array)
        image = timed("window", lambda: window(dataset, pixels))
        crop = timed("roi", lambda: roi(image))
        size = (options.width, options.height)
        small = timed("resize", lambda: cv2.resize(crop, size, interpolation=cv2.INTER_AREA))
        timed("write", lambda: cv2.imwrite(str(folder / f"{path.stem}.png"), small))
    return {name: 1000 * total / len(paths) for name, total in seconds.items()}


def main():
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("folder")
    cli.add_argument("--program", default=str(HERE.parent / "target/release/mammo-pipe"))
    cli.add_argument("--rounds", type=int, default=3)
    cli.add_argument("--height", type=int, default=1024)
    cli.add_argument("--width", type=int, default=512)
    cli.add_argument("--set", action="append", default=[])
    options = cli.parse_args()
    options.set += [f"resize.height={options.height}", f"resize.width={options.width}"]
    warnings.simplefilter("ignore")
    cv2.setNumThreads(1)
    paths = sorted(pathlib.Path(options.folder, "train_images").rglob("*.dcm"))
    rounds = []
    with tempfile.TemporaryDirectory() as temporary:
        for _ in range(options.rounds):
            folder = pathlib.Path(temporary)
            rounds.append((ours(options, folder), theirs(paths, folder, options)))
    print(f"{len(paths)} images, one worker, {options.height}x{options.width}\n")
    print("| stage | ours ms | images/s | Python ms | images/s | ratio |\n|---|---|---|---|---|---|")
    totals = [0.0, 0.0]
    for name in [*ROWS, "write"]:
        pair = [statistics.median(round[side][name] for round in rounds) for side in (0, 1)]
        totals = [total + part for total, part in zip(totals, pair)]
        print(line(name, pair))
    print(line("all", totals))


def line(name, pair):
    cells = [f"{ms:.2f} | {1000 / ms:.0f}" if ms > 0 else "0 | –" for ms in pair]
    ratio = f"{pair[1] / pair[0]:.1f}" if pair[0] > 0 else "–"
    return f"| {name} | {cells[0]} | {cells[1]} | {ratio} |"


if __name__ == "__main__":
    main()
