"""Shows whether two builds of mammo-pipe make the same: hashes of what a build leaves.

    python3 tests/same_output.py make PROGRAM OUT.json [--folder DIR] [--key NAME=KEY] [--command NAME=WORDS]
    python3 tests/same_output.py compare BEFORE.json AFTER.json [--values]

`make` runs PROGRAM on phantoms of a fixed seed, in a new folder that is removed at the end
(--folder: in this one, which is kept), and writes OUT.json:

    synth       SHA-256 of every file of datasets: 60 patients, damaged, large, of each syntax
    releases    of each release: SHA-256 of every file; and, read by pyarrow, in row order, the
                SHA-256 of each column's values and of the pixels, whatever the metadata says
    train       every loss of 20 steps of EfficientNet-B0 and more, as the log has it, and the
                SHA-256 of each tensor of its weights

`compare` lists what differs, and ends in 1 if anything does. With --values it looks past what
may change when keys are renamed or descriptions rewritten: it compares column values, pixels,
row order, losses, weights, not the bytes of files.

Needs a Python with pyarrow and numpy to read the shards: the one that MAMMO_PIPE_PYTHON names
(tests/interop/requirements.txt), else the one that runs this. Takes minutes on two cores.
"""
import argparse
import csv
import hashlib
import json
import os
import pathlib
import shlex
import struct
import subprocess
import sys
import tempfile
import time

# All that is typed to the program. If a command, flag or key is renamed, name it anew here, or by
# --command and --key so that the same script runs an old and a new build.
DAMAGE = [
    # All but a row that is there twice, which ends the run.
    *["empty", "html", "truncated", "bit-flip", "wrong-rows", "larger-codestream"],
    *["smaller-codestream", "no-pixel-data", "huge-claim", "huge-codestream", "frames", "colour"],
    *["no-rows", "unknown-syntax", "not-dicom", "no-row", "missing-file"],
]
COMMANDS = {
    "synth": "synth {data} --patients 60 --seed 3 --quiet",
    "synth damaged": "synth {data} --patients 12 --seed 3 --prevalence 0.2 --quiet " + " ".join(
        f"--damage {kind}" for kind in DAMAGE
    ),
    # Large enough that less than exact leaves something out.
    "synth large": "synth {data} --patients 1 --seed 3 --size full --syntax jpeg2000 --quiet",
    "synth coded": "synth {data} --patients 2 --seed 3 --size tiny --syntax {syntax} --quiet",
    "preprocess": "preprocess --input {data} --output {release} --workers 2 --no-report --quiet",
    "train": "train {release} --runs {runs} --name {name} --fold 0 --threads 2 --quiet",
}
SYNTAXES = [
    *["explicit-le", "implicit-le", "big-endian", "deflated", "rle", "jpeg-baseline"],
    *["jpeg-extended", "jpeg-lossless", "jpeg-lossless-sv1", "jpeg-lossless-sv1-restart"],
    *["jpeg-ls", "jpeg-ls-near", "jpeg2000", "jpeg2000-fragments", "jpeg2000-lossy"],
]
KEYS = {
    "precision": "decode.precision",
    "reduce": "decode.reduce",
    "read": "decode.read",
    "bits": "window.bits",
    "height": "resize.height",
    "width": "resize.width",
    "format": "shard.format",
    "rows": "shard.rows",
    "variant": "train.model.variant",
    "epochs": "train.epochs",
    "batch": "train.batch",
}
# The run's folder: log, weights, and the log's fields. The first name that is there counts.
LOG = "metrics.jsonl"
WEIGHTS = ["best.safetensors", "last.safetensors"]
PREDICTIONS = "validation.parquet"
CLOCK = {"seconds", "data_wait", "images_per_second"}
EPOCH = "epoch"

STEPS = 20
SHAPE = {"height": "512", "width": "256", "rows": "64"}
# By name: dataset, settings.
RELEASES = {
    **{
        f"{format}-{precision}": ("data", {**SHAPE, "format": format, "precision": precision})
        for format in ["parquet", "tensor"]
        for precision in ["exact", "display", "fast"]
    },
    **{
        f"large-{precision}": ("large", {**SHAPE, "format": "parquet", "precision": precision})
        for precision in ["exact", "display", "fast"]
    },
    **{f"coded-{syntax}": (f"tiny-{syntax}", {**SHAPE, "bits": "16"}) for syntax in SYNTAXES},
    "large-prefix": ("large", {**SHAPE, "reduce": "1", "read": "prefix"}),
    "parquet-16-bits": ("data", {**SHAPE, "format": "parquet", "precision": "exact", "bits": "16"}),
    "parquet-damaged": ("damaged", {**SHAPE, "format": "parquet", "precision": "exact"}),
    "train": ("data", {"height": "128", "width": "64", "rows": "64", "format": "tensor"}),
}
TRAIN = {"variant": "b0", "epochs": "1", "batch": "8"}
# What a run says of itself, its time and its locks.
NOT_THE_RELEASE = {"report.html", ".lock", "run.log"}


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def files_of(folder):
    """SHA-256 of every file, by its path below the folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): sha256(path.read_bytes())
        for path in files
        if path.name not in NOT_THE_RELEASE
    }


class Maker:
    def __init__(self, program, folder, commands, keys):
        self.program, self.folder = program, folder
        self.commands, self.keys = commands, keys

    def run(self, command, settings, accepted=(0,), **places):
        # Paths are typed below the working folder, so that none depends on where it is.
        words = shlex.split(self.commands[command].format(**places))
        for name, value in settings.items():
            words += ["--set", f"{self.keys[name]}={value}"]
        begun = time.monotonic()
        done = subprocess.run([self.program, *words], cwd=self.folder, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True)
        if done.returncode not in accepted:
            sys.exit(f"{self.program} {shlex.join(words)}\nended in {done.returncode}\n"
                     f"{done.stdout}{done.stderr}")
        print(f"{time.monotonic() - begun:6.1f} s  {shlex.join(words)}", file=sys.stderr)

    def make(self):
        self.run("synth", {}, data="data")
        self.run("synth damaged", {}, data="damaged")
        self.run("synth large", {}, data="large")
        for syntax in SYNTAXES:
            self.run("synth coded", {}, data=f"tiny-{syntax}", syntax=syntax)
        datasets = sorted({dataset for dataset, _ in RELEASES.values()})
        synth = {name: files_of(self.folder / name) for name in datasets}
        releases = {}
        for name, (data, settings) in RELEASES.items():
            # Exit code 3: damaged images were quarantined, as they have to be.
            accepted = (3,) if data == "damaged" else (0,)
            self.run("preprocess", settings, accepted, data=data, release=name)
            release = self.folder / name
            releases[name] = {
                "files": files_of(release),
                "shards": values_of(sorted((release / "shards").iterdir())),
                "rejected": rejected(release / "quarantine.csv"),
            }
        self.run("train", TRAIN, release="train", runs="runs", name="b0")
        return {"synth": synth, "releases": releases, "train": training(self.folder / "runs/b0")}


def rejected(quarantine):
    """Which images, without the words that say why."""
    with open(quarantine, newline="") as file:
        return [row[:5] for row in csv.reader(file)][1:]


def values_of(files):
    """Rows, columns and pixels of Parquet and Arrow files, read where there is pyarrow."""
    python = os.environ.get("MAMMO_PIPE_PYTHON") or sys.executable
    command = [python, __file__, "values", *map(str, files)]
    done = subprocess.run(command, text=True, capture_output=True)
    if done.returncode != 0:
        sys.exit(f"{done.stderr}\n{python} cannot read the shards; it needs what "
                 "tests/interop/requirements.txt lists, and MAMMO_PIPE_PYTHON names it")
    return json.loads(done.stdout)


def values(files):
    """What `values_of` wants, printed by a Python that has pyarrow."""
    import pyarrow
    import pyarrow.parquet

    found = {}
    for path in files:
        if path.suffix == ".parquet":
            table = pyarrow.parquet.read_table(path)
        else:
            table = pyarrow.ipc.open_file(pyarrow.memory_map(str(path))).read_all()
        columns, pixels = {}, None
        for name, column in zip(table.column_names, table.columns):
            if name == "image":
                pixels = [sha256(image) for image in image_bytes(column)]
            else:
                columns[name] = sha256(repr(column.to_pylist()).encode())
        # The name of a shard is its number and its content's hash: keep the number.
        name = "-".join(path.stem.split("-")[:2])
        assert name not in found, f"{name} is there twice"
        found[name] = {
            "rows": table.num_rows,
            "columns": columns,
            "order": table.column_names,
            "pixels": pixels,
        }
    print(json.dumps(found))


def image_bytes(column):
    """Bytes of each image, of a binary or a tensor column."""
    if hasattr(column.type, "shape"):
        return [image.tobytes() for chunk in column.chunks for image in chunk.to_numpy_ndarray()]
    return [value.as_py() for value in column]


def training(run):
    """Losses as the log spells them, and tensors of the weights, of the fold that was trained."""
    fold = run / "fold-0"
    # Numbers stay the text they are in the log.
    lines = [json.loads(line, parse_float=str) for line in (fold / LOG).read_text().splitlines()]
    for line in lines:
        for key in CLOCK & set(line):
            del line[key]
    steps = [line for line in lines if line["kind"] == "step"]
    if len(steps) < STEPS:
        sys.exit(f"{fold / LOG} has {len(steps)} steps, {STEPS} are wanted")
    first = steps[0].get(EPOCH, 0)
    for line in lines:
        if EPOCH in line:  # From 0, wherever the log counts from.
            line[EPOCH] -= first
    return {
        "losses": [line["loss"] for line in steps],
        "log": lines,
        "weights": {name: tensors(fold / name) for name in WEIGHTS},
        "predictions": values_of([fold / PREDICTIONS]),
    }


def tensors(path):
    """SHA-256 of each tensor of a safetensors file, with its type and shape."""
    data = path.read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    header.pop("__metadata__", None)
    return {
        name: f"{about['dtype']} {about['shape']} {sha256(body[slice(*about['data_offsets'])])}"
        for name, about in header.items()
    }


def flat(value, place=()):
    """Leaves of nested objects and lists, by where they stand."""
    if isinstance(value, dict):
        entries = value.items()
    elif isinstance(value, list):
        entries = enumerate(value)
    else:
        yield place, value
        return
    for key, below in entries:
        yield from flat(below, (*place, str(key)))


def compare(before, after, only_values):
    before, after = [json.loads(pathlib.Path(path).read_text()) for path in [before, after]]
    if only_values:
        for made in [before, after]:
            made["synth"] = {}  # Seen by its pixels.
            for release in made["releases"].values():
                del release["files"]
            del made["train"]["log"]  # Its losses stand by themselves.
    before, after = dict(flat(before)), dict(flat(after))
    if not before or not after:
        sys.exit("nothing to compare")
    places = sorted({*before, *after})
    differing = [place for place in places if before.get(place) != after.get(place)]
    for place in differing:
        print(f"{' / '.join(place)}: {before.get(place, 'absent')} -> {after.get(place, 'absent')}")
    print(f"{len(places)} compared, {len(differing)} differ")
    return 1 if differing else 0


def named(pairs, table):
    """The table with what `--key` or `--command` name anew."""
    changed = dict(pair.split("=", 1) for pair in pairs)
    unknown = set(changed) - set(table)
    if unknown:
        sys.exit(f"no such name: {', '.join(sorted(unknown))}; there are {', '.join(table)}")
    return {**table, **changed}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    ways = parser.add_subparsers(dest="way", required=True)
    make = ways.add_parser("make")
    make.add_argument("program", type=pathlib.Path)
    make.add_argument("out", type=pathlib.Path)
    make.add_argument("--folder", type=pathlib.Path)
    make.add_argument("--key", action="append", default=[])
    make.add_argument("--command", action="append", default=[])
    two = ways.add_parser("compare")
    two.add_argument("before")
    two.add_argument("after")
    two.add_argument("--values", action="store_true")
    ways.add_parser("values").add_argument("files", type=pathlib.Path, nargs="+")
    chosen = parser.parse_args()
    if chosen.way == "values":
        return values(chosen.files)
    if chosen.way == "compare":
        return sys.exit(compare(chosen.before, chosen.after, chosen.values))
    program = chosen.program.resolve(strict=True)
    tables = named(chosen.command, COMMANDS), named(chosen.key, KEYS)
    if chosen.folder:
        chosen.folder.mkdir(parents=True)
        made = Maker(program, chosen.folder.resolve(), *tables).make()
    else:
        with tempfile.TemporaryDirectory() as folder:
            made = Maker(program, pathlib.Path(folder), *tables).make()
    chosen.out.write_text(json.dumps(made, indent=1) + "\n")
    print(f"{len(dict(flat(made)))} facts in {chosen.out}", file=sys.stderr)


if __name__ == "__main__":
    main()
