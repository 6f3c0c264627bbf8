"""1,000 resamples of the patients of the RSNA table, beside scikit-learn on the same numbers.

python benches/bootstrap.py PROGRAM [--resamples 1000] [--peer-resamples 20]

23,826 breasts of 11,913 patients, 492 with cancer. `mammo-pipe score` gives twelve figures with
intervals; the peer draws the same kind of resample and asks scikit-learn for the three that it
has (AUROC, AUPRC, Brier). Needs numpy and scikit-learn. CPU seconds are both threads'.
"""

import argparse
import json
import resource
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn import metrics

PATIENTS, POSITIVES = 11_913, 492


def made(rng):
    labels = np.zeros(2 * PATIENTS, bool)
    labels[2 * rng.choice(PATIENTS, POSITIVES, replace=False)] = True
    common = np.repeat(rng.normal(size=PATIENTS), 2)
    logits = common + rng.normal(size=2 * PATIENTS) + 2 * labels - 4
    return labels, np.round(1 / (1 + np.exp(-logits)), 6)


def ours(program, labels, p, resamples):
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, name) for name in ("submission.csv", "labels.csv")]
        for path, column in zip(files, (p, labels.astype(int))):
            rows = (f"{i // 2}_{'LR'[i % 2]},{value}" for i, value in enumerate(column))
            path.write_text("prediction_id,cancer\n" + "\n".join(rows) + "\n")
        command = [program, "score", *map(str, files), "--json", "--resamples", str(resamples)]
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        wall = time.perf_counter() - start
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return json.loads(text), cpu, wall


def peer(labels, p, resamples, rng):
    start = time.process_time()
    for _ in range(resamples):
        patients = rng.integers(0, PATIENTS, PATIENTS)
        items = np.concatenate([2 * patients, 2 * patients + 1])
        y, q = labels[items], p[items]
        metrics.roc_auc_score(y, q), metrics.average_precision_score(y, q)
        metrics.brier_score_loss(y, q)
    return time.process_time() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--peer-resamples", type=int, default=20)
    args = parser.parse_args()
    rng = np.random.default_rng(1)
    labels, p = made(rng)
    _, base, _ = ours(args.program, labels, p, 0)
    score, cpu, wall = ours(args.program, labels, p, args.resamples)
    figures = score["figures"]
    assert score["n"] == 2 * PATIENTS and score["positives"] == POSITIVES
    for name, value in (
        ("auroc", metrics.roc_auc_score(labels, p)),
        ("auprc", metrics.average_precision_score(labels, p)),
        ("brier", metrics.brier_score_loss(labels, p)),
    ):
        assert abs(figures[name]["value"] - value) < 1e-9, name
    theirs = peer(labels, p, args.peer_resamples, rng) / args.peer_resamples * args.resamples
    print(f"{args.resamples} resamples of {2 * PATIENTS} breasts")
    print(f"mammo-pipe score, {len(figures)} figures: {cpu:.2f} CPU s, {wall:.2f} s wall")
    print(f"  without resamples: {base:.2f} CPU s")
    print(f"scikit-learn, 3 figures: {theirs:.1f} CPU s, from {args.peer_resamples} resamples")
    print(f"ratio {theirs / cpu:.0f}; AUROC {figures['auroc']}")


if __name__ == "__main__":
    main()
