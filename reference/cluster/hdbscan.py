"""Golden labels for HDBSCAN of crates/cluster, from scikit-learn. Writes hdbscan.json beside itself."""

import json
import pathlib

import numpy as np
from sklearn.cluster import HDBSCAN

# Mutual reachabilities tie wherever a row's core distance is the largest term, and scikit-learn orders ties by an unstable
# sort. The cases are separated enough for that to move one row at most; the last one, with one sample, has no ties.
rng = np.random.default_rng(4)
cases = []
for n, dim, k, spread, size, samples in [(150, 2, 4, 0.6, 10, 10), (200, 3, 6, 1.5, 8, 4), (120, 5, 3, 1.0, 5, 12), (160, 2, 5, 1.0, 6, 1)]:
    centers = rng.uniform(-10, 10, (k, dim))
    data = centers[rng.integers(0, k, n)] + spread * rng.standard_normal((n, dim))
    data[: n // 10] = rng.uniform(-15, 15, (n // 10, dim))
    data = data.astype(np.float32)
    model = HDBSCAN(min_cluster_size=size, min_samples=samples, algorithm="brute", copy=True).fit(data.astype(np.float64))
    cases.append({
        "dim": dim, "data": data.astype(np.float64).ravel().tolist(), "min_cluster_size": size, "min_samples": samples,
        "labels": model.labels_.tolist(), "membership": model.probabilities_.tolist(),
    })
    print(n, dim, "clusters", model.labels_.max() + 1, "noise", (model.labels_ < 0).sum())
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(cases) + "\n")
