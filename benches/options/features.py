"""Simple codes of labelled photographs: histograms of gradients and of colours, to try cluster options on without a network.

Run: python features.py PHOTOS OUT [N]; PHOTOS has one folder per label; with N, that many photographs drawn at random. Writes
OUT/hog.npy, OUT/hsv.npy, OUT/both.npy (each row of unit length, both: side by side, then 128 principal components) and
OUT/labels.csv, rows in the order of sorted paths. Needs numpy, pillow, scikit-image.
"""

import csv
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from skimage.feature import hog

photos, out = Path(sys.argv[1]), Path(sys.argv[2])
out.mkdir(parents=True, exist_ok=True)


def unit(rows):
    return (rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)).astype(np.float32)


shapes, colours, labels = [], [], []
paths = sorted(p for p in photos.rglob("*") if p.suffix.lower() in {".jpg", ".jpeg", ".png"})
if len(sys.argv) > 3:
    paths = sorted(np.random.default_rng(0).permutation(np.array(paths, dtype=object))[: int(sys.argv[3])])
for path in paths:
    picture = Image.open(path).convert("RGB").resize((64, 64), Image.BILINEAR)
    grey = np.asarray(picture.convert("L"), dtype=np.float32) / 255
    shapes.append(hog(grey, orientations=9, pixels_per_cell=(8, 8), cells_per_block=(2, 2)))
    hue, saturation, value = (np.asarray(channel).ravel() for channel in picture.convert("HSV").split())
    counts, _ = np.histogramdd(np.stack([hue, saturation, value], 1), bins=(12, 4, 4), range=[(0, 256)] * 3)
    colours.append(np.sqrt(counts.ravel()))
    labels.append(path.relative_to(photos).parts[0])


def components(rows, n=128):
    """Coordinates along the first principal components: nearly the same distances in fewer columns."""
    centred = rows - rows.mean(0)
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    return (left * values)[:, :n]


hogs, hsvs = unit(np.array(shapes)), unit(np.array(colours))
np.save(out / "hog.npy", components(hogs).astype(np.float32))
np.save(out / "hsv.npy", components(hsvs).astype(np.float32))
np.save(out / "both.npy", components(unit(np.hstack([hogs, hsvs]))).astype(np.float32))
with open(out / "labels.csv", "w", newline="") as file:
    writer = csv.writer(file)
    writer.writerow(["filename", "label"])
    writer.writerows([f"row-{row:06}", label] for row, label in enumerate(labels))
print(len(labels), "images of", len(set(labels)), "kinds")
