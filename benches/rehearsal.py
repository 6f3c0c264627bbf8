#!/usr/bin/env python3
"""A rehearsal of a whole job: what `bench storage` forecasts, beside the time that the job takes.

    cargo build --release
    python3 benches/rehearsal.py --folder /data/tmp                                 # 20 GB, needs 25
    python3 benches/rehearsal.py --folder /data/tmp --gigabytes 4 --limit 25        # MB/s; needs root

Makes phantoms of full size in the dataset's own syntaxes, and copies them until there are enough
bytes. Then, each time with the page cache emptied of them: `bench storage`, `preprocess` with the
flags that it advised, `verify`, and `bench loader --step-ms`, which is the loader with a sleep in
place of the training step. With --limit, `bench storage` and `preprocess` run in a cgroup that limits
the reads of the folder's device. Prints the forecasts beside the times, and the memory by quarter of
the run. Exits with 1 if a forecast is more than 15 % from the time.
"""
import argparse
import csv
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time

from storage_fio import Throttle

HERE = pathlib.Path(__file__).parent
# Phantoms are drawn once and copied, because drawing takes longer than reading them.
DRAWN = 0.5e9
TOLERANCE = 0.15


def run(command, throttle=None, sample=None):
    """Standard output, wall seconds, and resident bytes a second apart if `sample` asks for them."""
    command = [str(word) for word in command]
    print("$", " ".join(command), file=sys.stderr, flush=True)
    start = time.perf_counter()
    wrapped = throttle.wrap(command) if throttle else command
    child = subprocess.Popen(wrapped, stdout=subprocess.PIPE, text=True)
    resident = []
    if sample:
        threading.Thread(target=watch, args=(child, resident), daemon=True).start()
    output, _ = child.communicate()
    seconds = time.perf_counter() - start
    if child.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit code {child.returncode}\n{output}")
    return output, seconds, resident


def watch(child, resident):
    while child.poll() is None:
        try:
            fields = pathlib.Path(f"/proc/{child.pid}/statm").read_text().split()
            resident.append(int(fields[1]) * os.sysconf("SC_PAGE_SIZE"))
        except (OSError, IndexError):
            return
        time.sleep(1)


def make(program, folder, enough):
    """A dataset of phantoms: drawn ones, and copies under other names. Bytes and files."""
    sample = folder / "sample"
    run([program, "synth", sample, "--patients", 4, "--test-patients", 0, "--size", "full", "--quiet"])
    patients = max(4, round(4 * DRAWN / size_of(sample)[0]))
    shutil.rmtree(sample)
    data = folder / "data"
    run([program, "synth", data, "--patients", patients, "--test-patients", 0, "--size", "full", "--quiet"])
    with open(data / "train.csv", newline="") as table:
        rows = list(csv.DictReader(table))
    drawn = size_of(data)[0]
    copies = max(0, round(enough / drawn) - 1)
    more = []
    for copy in range(1, copies + 1):
        for row in rows:
            patient, image = (f"{copy}{row[name]:0>12}" for name in ("patient_id", "image_id"))
            target = data / "train_images" / patient / f"{image}.dcm"
            target.parent.mkdir(exist_ok=True)
            source = data / "train_images" / row["patient_id"] / f"{row['image_id']}.dcm"
            subprocess.run(["cp", "--reflink=never", source, target], check=True)
            more.append({**row, "patient_id": patient, "image_id": image})
    with open(data / "train.csv", "a", newline="") as table:
        csv.DictWriter(table, fieldnames=list(rows[0])).writerows(more)
    os.sync()
    return data, *size_of(data)


def files_of(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def size_of(folder):
    files = [path for path in files_of(folder) if path.suffix == ".dcm"]
    return sum(path.stat().st_size for path in files), len(files)


def forget(folder):
    """Drops the files' clean pages from this machine's page cache."""
    for path in files_of(folder):
        with open(path, "rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def quarters(resident):
    """The largest resident memory in each quarter of a run, in MB."""
    step = max(1, len(resident) // 4)
    return [round(max(part) / 1e6) for part in (resident[i * step:(i + 1) * step] for i in range(4)) if part]


def main():
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("--folder", required=True, help="a folder on the storage to rehearse on")
    cli.add_argument("--program", default=HERE.parent / "target/release/mammo-pipe")
    cli.add_argument("--gigabytes", type=float, default=20)
    cli.add_argument("--limit", type=float, help="MB/s; needs root")
    cli.add_argument("--step-ms", default=50)
    cli.add_argument("--effort", default="", help="--quick or --full of bench storage")
    cli.add_argument("--data", type=pathlib.Path, help="rehearse with this dataset instead; it is kept")
    options = cli.parse_args()
    program = pathlib.Path(options.program).resolve()
    with tempfile.TemporaryDirectory(prefix="mammo-pipe-rehearsal-", dir=options.folder) as temporary:
        rehearse(options, program, pathlib.Path(temporary))


def rehearse(options, program, folder):
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    if options.data:
        data, (size, files) = options.data, size_of(options.data)
    else:
        data, size, files = make(program, folder, options.gigabytes * 1e9)
    print(f"{files} files, {size / 1e9:.1f} GB", flush=True)
    throttle = Throttle(folder) if options.limit else None
    if throttle:
        throttle.limit(options.limit)
    scratch, release = folder / "scratch", folder / "release"
    scratch.mkdir()
    try:
        forget(data)
        bench = [program, "bench", "storage", data, "--scratch", scratch, "--json", "--quiet"]
        bench += [options.effort] if options.effort else []
        output, seconds, _ = run(bench, throttle)
        verdict = json.loads(output)["verdict"]
        here, advised = verdict["here"], verdict["settings"]
        print(f"bench storage took {seconds:.0f} s: {here['bottleneck']} is the bottleneck, "
              f"{here['images_per_second']:.2f} images/s; advice {advised}", flush=True)
        flags = ["--input", data, "--output", release, "--readers", advised["readers"]]
        flags += ["--workers", advised["workers"], "--set", f"limits.memory_mb={advised['memory_mb']}"]
        forget(data)
        dry, _, _ = run([program, "preprocess", *flags, "--dry-run", "--json"], throttle)
        forget(data)
        summary, taken, resident = run(
            [program, "preprocess", *flags, "--json", "--quiet", "--no-report"], throttle, sample=True)
        summary = json.loads(summary)
        print(f"preprocess took {taken:.0f} s: {summary['counts']['written']} of "
              f"{summary['counts']['listed']} written; peak {summary['peak_memory_bytes'] / 1e6:.0f} MB "
              f"of a limit of {advised['memory_mb']} MiB; by quarter {quarters(resident)} MB", flush=True)
        _, verified, _ = run([program, "verify", release])
        forget(release)
        loaded, _, _ = run([program, "bench", "loader", release, "--step-ms", options.step_ms])
    finally:
        if throttle:
            throttle.remove()
    print(f"verify took {verified:.0f} s")
    print(loaded)
    apart = 0
    for name, forecast in (("bench storage", here["seconds"]), ("--dry-run", json.loads(dry)["seconds"])):
        ratio = forecast / taken
        apart = max(apart, abs(ratio - 1))
        print(f"{name}: forecast {forecast:.0f} s, taken {taken:.0f} s, ratio {ratio:.3f}")
    sys.exit(1 if apart > TOLERANCE else 0)


if __name__ == "__main__":
    main()
