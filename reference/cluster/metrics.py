"""Golden numbers for the metrics of crates/cluster, from scikit-learn. Writes metrics.json beside itself."""

import json
import pathlib
import warnings

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn import manifold, metrics, neighbors

warnings.filterwarnings("ignore")
rng = np.random.default_rng(20)


def partition(name, classes, clusters):
    classes, clusters = np.asarray(classes), np.asarray(clusters)
    table = metrics.cluster.contingency_matrix(classes, clusters)
    rows, columns = linear_sum_assignment(table, maximize=True)
    return {
        "name": name,
        "classes": classes.tolist(),
        "clusters": clusters.tolist(),
        "acc": float(table[rows, columns].sum() / table.sum()),
        "nmi": metrics.normalized_mutual_info_score(classes, clusters),
        "ari": metrics.adjusted_rand_score(classes, clusters),
        "ami": metrics.adjusted_mutual_info_score(classes, clusters),
        "homogeneity": metrics.homogeneity_score(classes, clusters),
        "completeness": metrics.completeness_score(classes, clusters),
        "purity": float(table.max(axis=0).sum() / table.sum()),
    }


partitions = [
    partition("one row", [0], [3]),
    partition("one group each", [0] * 6, [1] * 6),
    partition("one class", [0] * 5, [0, 1, 1, 2, 2]),
    partition("one cluster", [0, 0, 1, 1, 2], [0] * 5),
    partition("all alone", range(7), range(7)),
    partition("all alone against pairs", range(8), [0, 0, 1, 1, 2, 2, 3, 3]),
    partition("pairs against all alone", [0, 0, 1, 1, 2, 2, 3, 3], range(8)),
    partition("equal but renamed", [0, 0, 1, 1, 2], [5, 5, 9, 9, -1]),
    partition("independent", [0, 0, 1, 1], [0, 1, 0, 1]),
    partition("noise", [0, 0, 0, 1, 1, 1], [-1, 0, 0, -1, 1, 1]),
]
for n, a, b in [(10, 2, 3), (50, 5, 5), (50, 3, 20), (200, 10, 10), (200, 40, 3), (500, 10, 12), (500, 100, 100),
                (1000, 7, 30), (1000, 2, 2), (60, 30, 59), (300, 10, 10)]:
    classes = rng.integers(0, a, n)
    clusters = rng.integers(0, b, n)
    partitions.append(partition(f"random {n} {a} {b}", classes, clusters))
    keep = rng.random(n) < 0.7
    partitions.append(partition(f"related {n} {a} {b}", classes, np.where(keep, classes % b, clusters)))

rows = []
for n, dim, k, spread in [(40, 3, 3, 0.5), (60, 9, 5, 1.5), (30, 17, 4, 5.0)]:
    centers = rng.standard_normal((k, dim)) * 3
    labels = rng.integers(0, k, n)
    labels[0] = k  # a cluster of one row
    data = (np.vstack([centers, centers[:1]])[labels] + spread * rng.standard_normal((n, dim))).astype(np.float32)
    wide = data.astype(np.float64)
    case = {"dim": dim, "data": wide.ravel().tolist(), "labels": labels.tolist()}
    for metric in ["euclidean", "cosine"]:
        knn = neighbors.KNeighborsClassifier(5, metric=metric, algorithm="brute").fit(wide, labels)
        found = knn.kneighbors(None, 5, return_distance=False)
        votes = [np.bincount(labels[near]).argmax() for near in found]
        case[metric] = {
            "silhouette": metrics.silhouette_score(wide, labels, metric=metric),
            "each": metrics.silhouette_samples(wide, labels, metric=metric).tolist(),
            "knn5": float(np.mean(np.asarray(votes) == labels)),
        }
    case["trustworthiness"] = manifold.trustworthiness(wide, wide[:, :2], n_neighbors=5)
    rows.append(case)

path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps({"partitions": partitions, "rows": rows}) + "\n")
print(path, len(partitions), "partitions", len(rows), "tables")
