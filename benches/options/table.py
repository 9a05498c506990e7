"""What each cluster option does on labelled codes: NMI, ARI and ACC in percent, and seconds.

Run: python table.py SPOREPRINT OUT NAME=FOLDER ..
FOLDER holds codes.npy and more.npy, a second kind of codes to fuse with (or both.npy with hog.npy and hsv.npy, from
features.py), and labels.csv with filename (row-000000, ..) and
label. Resumable: figures already in OUT/results.jsonl are kept. Prints Markdown at the end. Needs only the standard library.
"""

import csv
import json
import subprocess
import sys
import time
from pathlib import Path

program, out, sets = sys.argv[1], Path(sys.argv[2]), dict(text.split("=", 1) for text in sys.argv[3:])
log = out / "results.jsonl"
out.mkdir(parents=True, exist_ok=True)

K, AUTO = "K", "auto"
OPTIONS = {
    "kmeans": [K, "--space", "codes"],
    "spherical": [K, "--method", "spherical"],
    "minibatch": [K, "--method", "minibatch"],
    "hierarchical": [K, "--method", "hierarchical"],
    "balanced": [K, "--method", "balanced"],
    "consensus": [K, "--method", "consensus"],
    "ward": [K, "--method", "ward"],
    "average": [K, "--method", "average"],
    "pca + kmeans": [K, "--space", "pca"],
    "pca + ward": [K, "--space", "pca", "--method", "ward"],
    "diffusion + kmeans": [K, "--space", "diffusion"],
    "diffusion + ward": [K, "--space", "diffusion", "--method", "ward"],
    "spectral + kmeans": [K, "--space", "spectral"],
    "umap + kmeans": [K, "--space", "umap"],
    "umap + ward": [K, "--space", "umap", "--method", "ward"],
    "umap + average": [K, "--space", "umap", "--method", "average"],
    "umap + hdbscan": [None, "--method", "hdbscan"],
    "kmeans, -k auto": [AUTO, "--space", "codes"],
    "umap + kmeans, -k auto": [AUTO, "--space", "umap"],
    "fused spectral": [K, "--space", "spectral", "--features"],
    "fused umap + ward": [K, "--space", "umap", "--method", "ward", "--features"],
}


def sporeprint(*args):
    done = subprocess.run([program, *map(str, args), "--quiet", "--json"], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{args}: {done.stderr}")
    return json.loads(done.stdout)


def done_before():
    rows = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    return {(row["set"], row["option"]): row for row in rows}


def measure(name, folder, option, how):
    with open(folder / "labels.csv") as file:
        n_kinds = len({row["label"] for row in csv.DictReader(file)})
    codes = next(path for path in (folder / "codes.npy", folder / "both.npy") if path.exists())
    k, *flags = how
    if flags[-1:] == ["--features"]:
        pairs = [(folder / "hog.npy", folder / "hsv.npy"), (codes, folder / "more.npy")]
        pair = next((pair for pair in pairs if all(path.exists() for path in pair)), None)
        if pair is None:
            return None
        codes, flags = pair[0], [*flags, pair[1]]
    if k is not None:
        flags = ["-k", n_kinds if k == K else k, *flags]
    # One run per kind of codes, clustered again and again: settings not named go back to their defaults with its config.
    run = out / f"{name}-{codes.stem}"
    if not (run / "start.toml").exists():
        sporeprint("cluster", "--embeddings", codes, "--labels", folder / "labels.csv", "--out", run, "--overwrite",
                   "-k", n_kinds)
        (run / "start.toml").write_text((run / "config.toml").read_text())
    (run / "config.toml").write_text((run / "start.toml").read_text())
    start = time.perf_counter()
    summary = sporeprint("cluster", run, *flags)
    seconds = time.perf_counter() - start
    final = next(row["figures"] for row in summary["evaluation"] if row["codes"] == "final")
    row = {"set": name, "option": option, "seconds": seconds, "kinds": n_kinds, "n_clusters": summary["n_clusters"],
           "n_noise": summary["n_noise"], **{key: final[key] for key in ("nmi", "ari", "acc", "ami")}}
    if k == AUTO:
        curve = json.loads((run / "k_curve.json").read_text())
        row["alternatives"] = curve["alternatives"]
    with open(log, "a") as file:
        file.write(json.dumps(row) + "\n")
    return row


results = done_before()
for name, folder in sets.items():
    for option, how in OPTIONS.items():
        if (name, option) not in results:
            row = measure(name, Path(folder), option, how)
            if row:
                results[name, option] = row
                print(name, option, f"NMI {100 * row['nmi']:.1f}", file=sys.stderr, flush=True)


def cell(row):
    if row is None:
        return ""
    text = f"{100 * row['nmi']:.1f} / {100 * row['ari']:.1f}"
    free = row["n_clusters"] != row["kinds"] or row["n_noise"]  # as many clusters as it found
    return text + (f" ({row['n_clusters']}" + (f", {row['n_noise']} noise)" if row["n_noise"] else ")") if free else "")


print("| option, NMI / ARI | " + " | ".join(sets) + " | mean NMI |")
print("|---" * (len(sets) + 2) + "|")
for option in OPTIONS:
    rows = [results.get((name, option)) for name in sets]
    if any(rows):
        mean = sum(100 * row["nmi"] for row in rows if row) / len(rows)
        print(f"| {option} | " + " | ".join(map(cell, rows)) + f" | {mean:.1f} |")
