#!/usr/bin/env python3
"""Compares `mammo-pipe bench storage` with fio, direct reads of whole files, 1 and 4 threads.

    python3 benches/storage_fio.py --program target/release/mammo-pipe --folder /data/tmp
    python3 benches/storage_fio.py ... --limits 50,100,200        # MB/s; needs root

A shared disk changes its speed within minutes. So the two run in turn, in pairs, and with `--limits`
in a cgroup that limits the reads of the folder's device (version 1 `blkio` or version 2 `io`), which
is removed at the end. Prints medians and their ratio; exits with 1 if a ratio under a limit is more
than 5 % from 1. Needs fio (Debian: `apt-get install fio`).
"""
import argparse
import json
import os
import pathlib
import random
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile

JOB = """[global]
rw=read
bs=1m
ioengine=psync
direct=1
invalidate=1
group_reporting=1
thread=1
time_based=1
runtime={seconds}
file_service_type=random
openfiles=4
filename={files}
[read]
numjobs={threads}
"""


class Throttle:
    """A cgroup of our own that limits reads from one device."""

    def __init__(self, folder):
        self.device = device_of(folder)
        name = f"mammo-pipe-bench-{os.getpid()}"
        first = pathlib.Path("/sys/fs/cgroup/blkio")
        second = pathlib.Path("/sys/fs/cgroup")
        if (first / "blkio.throttle.read_bps_device").exists():
            self.path, self.file, self.line = first / name, "blkio.throttle.read_bps_device", "{} {}"
        elif "io" in read(second / "cgroup.subtree_control").split():
            self.path, self.file, self.line = second / name, "io.max", "{} rbps={}"
        else:
            sys.exit("no cgroup controller for block devices; run without --limits")
        self.path.mkdir()

    def limit(self, megabytes):
        (self.path / self.file).write_text(self.line.format(self.device, int(megabytes * 1e6)))

    def wrap(self, command):
        join = f"echo $$ > {shlex.quote(str(self.path / 'cgroup.procs'))} && exec \"$@\""
        return ["sh", "-c", join, "sh", *command]

    def remove(self):
        self.path.rmdir()


def read(path):
    try:
        return path.read_text()
    except OSError:
        return ""


def device_of(folder):
    """Major and minor number of the whole disk under `folder`; limits on partitions do not count."""
    number = os.stat(folder).st_dev
    entry = pathlib.Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}")
    if not entry.exists():
        sys.exit(f"{folder} lies on no block device; run without --limits")
    entry = entry.resolve()
    if (entry / "partition").exists():
        entry = entry.parent
    return read(entry / "dev").strip()


def make_files(folder, count):
    """Incompressible files with the mean size of the RSNA set."""
    sizes = random.Random(1)
    paths = []
    for i in range(count):
        path = folder / f"{i:04}.bin"
        size = int(min(20e6, max(5e5, sizes.lognormvariate(15.44, 0.5))))
        with open(path, "wb") as file:
            file.write(os.urandom(size))
            os.fsync(file.fileno())
        paths.append(path)
    return paths


def run(command, throttle, folder=None, env=None):
    command = throttle.wrap(command) if throttle else command
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          cwd=folder, env=env)
    if done.returncode != 0:
        sys.exit(f"{shlex.join(command)}\n{done.stderr}{done.stdout}")
    return done.stdout


def fio(files, threads, seconds, throttle):
    """Megabytes per second."""
    with tempfile.NamedTemporaryFile("w", suffix=".fio") as job:
        # Names without the folder, because fio takes 4096 characters of them at most.
        names = ":".join(path.name for path in files)
        job.write(JOB.format(seconds=seconds, files=names, threads=threads))
        job.flush()
        report = run(["fio", "--output-format=json", job.name], throttle, files[0].parent)
    report = json.loads(report[report.index("{"):])
    return report["jobs"][0]["read"]["bw_bytes"] / 1e6


def ours(program, folder, threads, effort, throttle):
    """Megabytes per second by number of threads."""
    numbers = ",".join(map(str, threads))
    command = [*program, str(folder), *effort, "--threads", numbers, "--json"]
    # So that no measurement of the user is replaced by one under a limit.
    with tempfile.TemporaryDirectory(prefix="mammo-pipe-fio-cache-") as cache:
        report = json.loads(run(command, throttle, env={**os.environ, "XDG_CACHE_HOME": cache}))
    report = report.get("measurement", report)
    (series,) = [s for s in report["files"] if s["cache"] == "direct"]
    if not series["points"]:
        sys.exit(f"no direct reads: {series['note']}")
    return {p["threads"]: p["bytes"] / p["seconds"] / 1e6 for p in series["points"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", default="mammo-pipe", help="the program with its path")
    parser.add_argument("--command", default="bench storage", help=argparse.SUPPRESS)
    parser.add_argument("--folder", required=True, help="a folder on the disk; needs 5 GB")
    parser.add_argument("--limits", default="", help="MB/s, separated by commas; needs root")
    parser.add_argument("--threads", default="1,4")
    parser.add_argument("--long", action="store_true", help="without --quick: steadier, minutes a run")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=4, help="of one run of fio")
    options = parser.parse_args()
    if shutil.which("fio") is None:
        sys.exit("fio is not on the path; install it (Debian: apt-get install fio)")
    program = [options.program, *options.command.split()]
    effort = [] if options.long else ["--quick"]
    threads = [int(n) for n in options.threads.split(",")]
    limits = [float(limit) for limit in options.limits.split(",") if limit] or [None]
    throttle = Throttle(options.folder) if limits != [None] else None
    apart = False
    try:
        with tempfile.TemporaryDirectory(prefix="mammo-pipe-fio-", dir=options.folder) as folder:
            files = make_files(pathlib.Path(folder), options.files)
            print(f"{'limit':>6} {'threads':>7} {'fio':>7} {'ours':>7} {'ratio':>6}  MB/s, pairs")
            for limit in limits:
                if throttle:
                    throttle.limit(limit)
                pairs = {n: [] for n in threads}
                for pair in range(options.pairs):
                    # Every other pair begins with us, so that neither always comes second.
                    mine = ours(program, options.folder, threads, effort, throttle) if pair % 2 else None
                    theirs = {n: fio(files, n, options.seconds, throttle) for n in threads}
                    mine = mine or ours(program, options.folder, threads, effort, throttle)
                    for n in threads:
                        pairs[n].append((theirs[n], mine[n]))
                for n, found in pairs.items():
                    peer, own = (statistics.median(side) for side in zip(*found))
                    apart |= throttle is not None and abs(own / peer - 1) > 0.05
                    listed = " ".join(f"{a:.1f}/{b:.1f}" for a, b in found)
                    shown = "none" if limit is None else f"{limit:g}"
                    print(f"{shown:>6} {n:>7} {peer:>7.1f} {own:>7.1f} {own / peer:>6.3f}  {listed}",
                          flush=True)
    finally:
        if throttle:
            throttle.remove()
    sys.exit(1 if apart else 0)


if __name__ == "__main__":
    main()
