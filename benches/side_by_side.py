#!/usr/bin/env python3
"""mammo-pipe preprocess beside what a Python user runs today, on the same files in one run.

    cargo build --release
    pip install pydicom==3.0.1 pylibjpeg pylibjpeg-openjpeg pylibjpeg-libjpeg opencv-python-headless
    python benches/side_by_side.py DICOM_FOLDER [--images 104] [--rounds 3] [--set decode.precision=exact]

Takes every .dcm below the folder, sorts them by transfer syntax, and repeats each group until it has
--images files, so that start-up flatters nobody. Runs the two programs in turn, --rounds times, with
two workers each, and prints median CPU seconds and wall time an image, and the median ratio of a pair.
"""
import argparse
import json
import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import pydicom

HERE = pathlib.Path(__file__).parent
NAMES = {"1.2.840.10008.1.2.4.90": "JPEG 2000", "1.2.840.10008.1.2.4.70": "JPEG lossless"}


def repeat(sources, count, folder):
    """`count` images shaped like the dataset: train_images/<patient>/<image>.dcm and train.csv."""
    rows = ["patient_id,image_id"]
    for index in range(count):
        patient, image = 1000 + index // 4, 100000 + index
        target = folder / "train_images" / str(patient) / f"{image}.dcm"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(sources[index % len(sources)], target)
        rows.append(f"{patient},{image}")
    (folder / "train.csv").write_text("\n".join(rows) + "\n")


def timed(command):
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        sys.exit(f"{command}\n{done.stdout}{done.stderr}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def main():
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("folder")
    cli.add_argument("--images", type=int, default=104)
    cli.add_argument("--rounds", type=int, default=3)
    cli.add_argument("--workers", type=int, default=2)
    cli.add_argument("--program", default=str(HERE.parent / "target/release/mammo-pipe"))
    cli.add_argument("--set", action="append", default=[])
    options = cli.parse_args()
    groups = {}
    for path in sorted(pathlib.Path(options.folder).rglob("*.dcm")):
        syntax = str(pydicom.dcmread(path, stop_before_pixels=True).file_meta.TransferSyntaxUID)
        groups.setdefault(syntax, []).append(path)
    print("| files | images | ours CPU s | ours wall s | peer CPU s | peer wall s | CPU ratio | wall ratio |")
    print("|---|---|---|---|---|---|---|---|")
    for syntax, sources in groups.items():
        with tempfile.TemporaryDirectory() as temporary:
            folder = pathlib.Path(temporary)
            data = folder / "data"
            repeat(sources, options.images, data)
            pairs = []
            for index in range(options.rounds):
                release = folder / f"release-{index}"
                ours = [options.program, "preprocess", "--input", data, "--output", release, "--quiet"]
                # The peer makes no report either.
                ours += ["--workers", str(options.workers), "--json", "--no-report"]
                ours += [word for setting in options.set for word in ("--set", setting)]
                peer = [sys.executable, HERE / "peers/preprocess_python.py", data, folder / f"png-{index}"]
                peer += ["--workers", str(options.workers)]
                pairs.append((timed(ours), timed(peer)))
                shutil.rmtree(release)
                shutil.rmtree(folder / f"png-{index}")
            middle = lambda side, figure: statistics.median(pair[side][figure] for pair in pairs) / options.images
            ratio = lambda figure: statistics.median(pair[1][figure] / pair[0][figure] for pair in pairs)
            print(
                f"| {NAMES.get(syntax, syntax)} ({len(sources)} different) | {options.images} "
                f"| {middle(0, 0):.3f} | {middle(0, 1):.3f} | {middle(1, 0):.3f} | {middle(1, 1):.3f} "
                f"| {ratio(0):.1f} | {ratio(1):.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
