"""What scikit-learn, SciPy and written-out definitions say of scores and labels, as JSON.

python metrics.py                  all cases, some of them large
python metrics.py train.csv        and the labels of a real table, by image and by breast
python metrics.py --frozen         the small cases, as tests/fixtures/metrics.json holds them
"""

import csv
import json
import math
import sys
import warnings

import numpy as np
from scipy import optimize, stats
from sklearn import metrics
from sklearn.calibration import calibration_curve

warnings.filterwarnings("ignore")  # what is undefined becomes null below


def pf1(labels, p):
    """The competition's own definition."""
    p = np.clip(p, 0, 1)
    ctp, cfp, positives = p[labels].sum(), p[~labels].sum(), labels.sum()
    if positives == 0:
        return None
    if ctp == 0:
        return 0.0
    precision, recall = ctp / (ctp + cfp), ctp / positives
    return 2 * precision * recall / (precision + recall)


def ece(labels, p, edges):
    """Guo et al. 2017, equation 3; a bin holds what is above its lower and up to its upper edge."""
    total, last = 0.0, len(edges) - 2
    for k in range(last + 1):
        inside = np.ones(len(p), bool)
        if k > 0:
            inside &= p > edges[k]
        if k < last:
            inside &= p <= edges[k + 1]
        if inside.any():
            total += inside.sum() / len(p) * abs(labels[inside].mean() - p[inside].mean())
    return total


def delong(labels, a, b):
    """DeLong et al. 1988, straight from the double sum over pairs."""
    parts = []
    for scores in (a, b):
        pairs = np.sign(scores[labels][:, None] - scores[~labels][None, :]) / 2 + 0.5
        parts.append((pairs.mean(axis=1), pairs.mean(axis=0)))
    areas = [v10.mean() for v10, _ in parts]
    s10 = np.atleast_2d(np.cov([v10 for v10, _ in parts]))
    s01 = np.atleast_2d(np.cov([v01 for _, v01 in parts]))
    covariance = s10 / labels.sum() + s01 / (~labels).sum()
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    error = math.sqrt(max(variance, 0.0))
    difference = areas[1] - areas[0]
    p = 2 * stats.norm.sf(abs(difference) / error) if error > 0 else None
    return {"auroc": areas, "difference": difference, "standard_error": error, "p_value": p}


def temperature(labels, logits, shift):
    """The one that gives the labels the highest likelihood."""

    def loss(log_inverse):
        z = logits * math.exp(log_inverse) + shift
        return np.mean(np.logaddexp(0, z) - labels * z)

    bounds = (-math.log(100), math.log(100))
    found = optimize.minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-12})
    return math.exp(-found.x)


def sensitivity_at(labels, p, specificity):
    fpr, tpr, _ = metrics.roc_curve(labels, p, drop_intermediate=False)
    return tpr[1 - fpr >= specificity - 1e-12].max()


def best_f1(labels, p):
    thresholds = np.arange(50) / 49
    f1 = [metrics.f1_score(labels, p >= t, zero_division=0) for t in thresholds]
    best = int(np.argmax(f1))
    accuracy = metrics.accuracy_score(labels, p >= thresholds[best])
    return {"f1": f1[best], "accuracy": accuracy, "threshold": thresholds[best]}


def expected(labels, p, other, weights, threshold):
    both = labels.any() and not labels.all()
    some = labels.any()
    called = p >= threshold
    out = {
        "auroc": metrics.roc_auc_score(labels, p) if both else None,
        "partial_auroc": metrics.roc_auc_score(labels, p, max_fpr=0.1) if both else None,
        "auprc": metrics.average_precision_score(labels, p) if some else None,
        "pf1": pf1(labels, p),
        "best_f1": best_f1(labels, p) if some else None,
        "f1": metrics.f1_score(labels, called, zero_division=0) if some else None,
        "accuracy": metrics.accuracy_score(labels, called),
        "sensitivity": metrics.recall_score(labels, called) if some else None,
        "specificity": metrics.recall_score(~labels, ~called) if not labels.all() else None,
        "ppv": metrics.precision_score(labels, called) if called.any() else None,
        "recall_rate": called.mean(),
        "brier": np.mean((p - labels) ** 2),
        "ece": ece(labels, p, np.linspace(0, 1, 16)),
        "ece_same_count": ece(labels, p, np.percentile(p, np.linspace(0, 1, 16) * 100)),
        "delong": delong(labels, p, other) if both else None,
    }
    if both:
        out["brier"] = metrics.brier_score_loss(labels, p)
    for percent in (90, 95, 99):
        out[f"sensitivity_at_{percent}"] = sensitivity_at(labels, p, percent / 100) if both else None
    for name, strategy in (("same_width", "uniform"), ("same_count", "quantile")):
        observed, predicted = calibration_curve(labels, p, n_bins=10, strategy=strategy) if both else ([], [])
        out[f"reliability_{name}"] = [list(pair) for pair in zip(predicted, observed)]
    weighted = weights > 0
    if labels[weighted].any() and not labels[weighted].all():
        w = {"sample_weight": weights}
        out["weighted"] = {
            "auroc": metrics.roc_auc_score(labels, p, **w),
            "partial_auroc": metrics.roc_auc_score(labels[weighted], p[weighted], max_fpr=0.1, sample_weight=weights[weighted]),
            "auprc": metrics.average_precision_score(labels, p, **w),
            "brier": metrics.brier_score_loss(labels, p, **w),
            "f1": metrics.f1_score(labels, called, **w),
            "accuracy": metrics.accuracy_score(labels, called, **w),
        }
    inside = (p > 0) & (p < 1)
    if labels[inside].any() and not labels[inside].all():
        q = p[inside]
        out["temperature"] = temperature(labels[inside], np.log(q / (1 - q)), -0.5)
    return out


def case(name, labels, p, other, threshold=0.5, seed=0):
    labels, p, other = np.asarray(labels, bool), np.asarray(p, float), np.asarray(other, float)
    weights = np.random.default_rng(seed).poisson(1.0, len(p)).astype(float)
    wanted = json.loads(json.dumps(expected(labels, p, other, weights, threshold), default=float))
    return {
        "name": name,
        "labels": [int(label) for label in labels],
        "probabilities": p.tolist(),
        "other": other.tolist(),
        "weights": weights.tolist(),
        "threshold": threshold,
        "expected": wanted,
    }


def drawn(seed, n, prevalence, digits=17):
    """Labels, and two scores that know something of them."""
    rng = np.random.default_rng(seed)
    labels = rng.random(n) < prevalence
    labels[:2] = [True, False]
    common = rng.normal(size=n)
    score = lambda skill: 1 / (1 + np.exp(-(common + rng.normal(size=n) + skill * labels - 1)))
    a, b = score(1.5), score(0.8)
    # Digits are cut so that the fixture stays small, and so that scores tie.
    return labels, np.round(a, digits), np.round(b, digits)


def small():
    yield case("random", *drawn(1, 60, 0.3, 6))
    yield case("tied", *drawn(2, 80, 0.3, 1))
    yield case("rare", *drawn(3, 120, 0.03, 6), threshold=0.2)
    yield case("constant", [1, 0, 0, 1, 0], [0.25] * 5, [0.1, 0.2, 0.3, 0.4, 0.5], threshold=0.25)
    yield case("all_positive", [1, 1, 1], [0.2, 0.6, 0.6], [0.1, 0.2, 0.3])
    yield case("all_negative", [0, 0, 0, 0], [0.2, 0.6, 0.6, 0.0], [0.1, 0.2, 0.3, 0.9])
    yield case("perfect", [0, 0, 1, 1], [0.0, 0.1, 0.9, 1.0], [0.9, 0.8, 0.1, 0.2])
    yield case("reversed", [1, 1, 0, 0, 0], [0.0, 0.1, 0.9, 1.0, 0.9], [0.5, 0.5, 0.5, 0.1, 0.2])


def large():
    for seed in range(20):
        digits = [17, 17, 2, 1][seed % 4]
        yield case(f"random {seed}", *drawn(100 + seed, 1500, [0.3, 0.02, 0.1, 0.05][seed // 4 % 4], digits), seed=seed)


def real(path):
    images, breasts = [], {}
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            label = row["cancer"] == "1"
            images.append(label)
            key = (row["patient_id"], row["laterality"])
            breasts[key] = breasts.get(key, False) or label
    for name, labels in (("image", images), ("breast", list(breasts.values()))):
        rng = np.random.default_rng(7)
        labels = np.array(labels)
        keep = np.arange(len(labels)) % 8 == 0  # DeLong's double sum is large
        labels = labels[keep] if name == "image" else labels[::4]
        n = len(labels)
        a, b = (1 / (1 + np.exp(-(rng.normal(size=n) + s * labels - 2))) for s in (1.5, 1.0))
        yield case(f"train.csv by {name}", labels, a, b, threshold=0.3)


if __name__ == "__main__":
    cases = list(small())
    if sys.argv[1:] != ["--frozen"]:
        cases += list(large())
        for path in sys.argv[1:]:
            cases += list(real(path))
    print("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]")
