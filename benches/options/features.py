"""Simple codes of labelled photographs: histograms of gradients and of colours, to try cluster options on without a network.

Run: python features.py PHOTOS OUT; PHOTOS has one folder per label. Writes OUT/hog.npy, OUT/hsv.npy, OUT/both.npy (each row of
unit length, both: side by side) and OUT/labels.csv, rows in the order of sorted paths. Needs numpy, pillow, scikit-image.
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
for path in sorted(p for p in photos.rglob("*") if p.suffix.lower() in {".jpg", ".jpeg", ".png"}):
    picture = Image.open(path).convert("RGB").resize((64, 64), Image.BILINEAR)
    grey = np.asarray(picture.convert("L"), dtype=np.float32) / 255
    shapes.append(hog(grey, orientations=9, pixels_per_cell=(8, 8), cells_per_block=(2, 2)))
    hue, saturation, value = (np.asarray(channel).ravel() for channel in picture.convert("HSV").split())
    counts, _ = np.histogramdd(np.stack([hue, saturation, value], 1), bins=(12, 4, 4), range=[(0, 256)] * 3)
    colours.append(np.sqrt(counts.ravel()))
    labels.append(path.relative_to(photos).parts[0])
hogs, hsvs = unit(np.array(shapes)), unit(np.array(colours))
np.save(out / "hog.npy", hogs)
np.save(out / "hsv.npy", hsvs)
np.save(out / "both.npy", unit(np.hstack([hogs, hsvs])))
with open(out / "labels.csv", "w", newline="") as file:
    writer = csv.writer(file)
    writer.writerow(["filename", "label"])
    writer.writerows([f"row-{row:06}", label] for row, label in enumerate(labels))
print(len(labels), "images of", len(set(labels)), "kinds")
