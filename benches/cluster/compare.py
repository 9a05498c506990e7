"""Times sporeprint-cluster against faiss and scikit-learn, alternately, two threads, on the same data.

Run by run.sh, which builds cluster_bench and makes the virtual environment; or
python compare.py [path of cluster_bench] [case ...]. Prints one JSON line per case, best time of each side.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time

THREADS = 2
os.environ.update(OMP_NUM_THREADS=str(THREADS), OPENBLAS_NUM_THREADS=str(THREADS), RAYON_NUM_THREADS=str(THREADS))

import faiss
import numpy as np

faiss.omp_set_num_threads(THREADS)
BINARY = sys.argv[1] if len(sys.argv) > 1 else "target/release/examples/cluster_bench"


def data(n, dim, kind, seed=0):
    """`noise`: normal, unit rows. `mixture`: n/200 overlapping groups, as codes of images have."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, dim), dtype=np.float32)
    if kind == "mixture":
        centers = rng.standard_normal((max(n // 200, 2), dim), dtype=np.float32)
        x = x * 0.7 + centers[rng.integers(0, len(centers), n)]
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return np.ascontiguousarray(x)


def ours(*args):
    out = subprocess.run([BINARY, *map(str, args)], check=True, capture_output=True, text=True).stdout
    return json.loads(out)


def clock(work):
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def neighbors(n, dim, n_queries, k, rounds, repeats):
    x = data(n, dim, "noise")
    index = faiss.IndexFlatIP(dim)
    index.add(x)
    theirs, mine, difference = [], [], None
    with tempfile.NamedTemporaryFile() as file:
        x.tofile(file.name)
        for _ in range(rounds):
            found = ours("neighbors", n, dim, n_queries, k, repeats, file.name)
            mine += found["seconds"]
            for _ in range(repeats):
                seconds, (scores, _) = clock(lambda: index.search(x[:n_queries], k))
                theirs.append(seconds)
            # Equal rows up to rounding: rows that tie may change places, their scores may not differ.
            difference = abs(float(scores.sum(dtype=np.float64)) / found["score_sum"] - 1)
    return {"sporeprint_s": min(mine), "faiss_s": min(theirs), "ratio": min(theirs) / min(mine), "relative_score_difference": difference}


def kmeans(n, dim, k, iterations, kind, rounds, starts=1):
    from sklearn.cluster import KMeans

    x = data(n, dim, kind)
    start = x[np.random.default_rng(1).choice(n, k, replace=False)].copy()
    mine, by_faiss, by_sklearn = [], [], []
    with tempfile.NamedTemporaryFile() as file, tempfile.NamedTemporaryFile() as start_file:
        x.tofile(file.name)
        start.tofile(start_file.name)
        for _ in range(rounds):
            found = ours("kmeans", n, dim, k, iterations, starts, 1, start_file.name, file.name)
            mine += found["seconds"]

            def run_faiss():
                for _ in range(starts):
                    model = faiss.Kmeans(dim, k, niter=iterations, max_points_per_centroid=n, min_points_per_centroid=1)
                    model.train(x, init_centroids=start)
                return model

            def run_sklearn():
                for _ in range(starts):
                    model = KMeans(k, init=start, n_init=1, max_iter=iterations, tol=0).fit(x)
                return model

            seconds, model = clock(run_faiss)
            by_faiss.append(seconds)
            distances, _ = model.index.search(x, 1)
            faiss_inertia = float(np.sum(distances, dtype=np.float64))
            seconds, model = clock(run_sklearn)
            by_sklearn.append(seconds)
    return {
        "sporeprint_s": min(mine), "faiss_s": min(by_faiss), "sklearn_s": min(by_sklearn),
        "ratio_to_faster": min(by_faiss + by_sklearn) / min(mine), "rounds": found["rounds"][0],
        "sklearn_rounds": int(model.n_iter_), "inertia": found["inertia"][0], "faiss_inertia": faiss_inertia,
        "sklearn_inertia": float(model.inertia_),
    }


def million():
    """Time and memory of one run of ten rounds on a million rows; no peer."""
    with tempfile.NamedTemporaryFile() as file:
        for part in range(10):
            data(100_000, 128, "mixture", part).tofile(file)
        file.flush()
        found = ours("kmeans", 1_000_000, 128, 1000, 10, 1, 1, "plusplus", file.name)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    return {"sporeprint_s": found["seconds"][0], "inertia": found["inertia"][0], "peak_gib": peak}


CASES = {
    "neighbors-100": lambda: neighbors(100_000, 128, 128, 100, 3, 3),
    "neighbors-4096": lambda: neighbors(100_000, 128, 128, 4096, 3, 3),
    "graph-60k": lambda: neighbors(60_000, 128, 60_000, 50, 1, 1),
    "kmeans-noise": lambda: kmeans(60_000, 128, 1000, 20, "noise", 2),
    "kmeans-mixture": lambda: kmeans(60_000, 128, 1000, 20, "mixture", 2),
    "kmeans-small": lambda: kmeans(1800, 512, 180, 20, "noise", 3, 6),
    "kmeans-million": million,
}

for name in sys.argv[2:] or CASES:
    print(json.dumps({"case": name, **CASES[name]()}), flush=True)
