"""The Python of docs/encoders.md on a run of this program: its networks in timm and torchvision, its codes again.

`python check_run.py RUN ..` writes nothing. Each RUN was made by an EfficientNet-Lite, a ResNet-18, ResNet-34 or VGG-16 with `--code-views 1`: that
of `sporeprint demo`, or `sporeprint run PHOTOS --out RUN --code-views 1`. Codes are compared on the pictures of the run's cache, of which they were
made. Where it keeps bytes they agree to rounding; decoders of JPEG differ by up to three levels of 255, which moves a code by some hundredths. How near
the codes of the photographs themselves are is said, where these are still there.
"""

import csv
import io
import json
import re
import sys
import tomllib
from pathlib import Path

import numpy
import torch
from PIL import Image

PAGE = Path(__file__).parent.parent / "docs" / "encoders.md"


def lines_of_the_page():
    """What its blocks of Python define; the last one uses them on a run that is not here."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    names = {}
    for block in blocks[:-1]:
        exec(block, names)
    return names


def pictures_of_the_cache(run):
    """Path to a file of its small picture, and whether each is kept as bytes: `pictures.bin` has them one behind the other."""
    index = json.loads((run / "cache" / "index.json").read_text())
    pictures, raw = {}, True
    with open(run / "cache" / "pictures.bin", "rb") as packed:
        for image, (length, _) in zip(index["images"], index["stored"], strict=True):
            data = packed.read(length)
            if not data.startswith(b"\xff\xd8\xff"):
                data = as_png(data, image, index["config"])
            else:
                raw = False
            pictures[image["path"]] = io.BytesIO(data)
    return pictures, raw


def as_png(data, image, config):
    """Bytes of a picture of a known shape: the short side at most `view_size`, the longer one cut to `view_aspect` times that."""
    short, long = sorted((image["width"], image["height"]))
    low = min(short, config["view_size"])
    high = len(data) // 3 // low
    assert low * high * 3 == len(data) and low <= high <= low * config["view_aspect"], (image, len(data))
    shape = (low, high) if image["width"] <= image["height"] else (high, low)
    file = io.BytesIO()
    Image.frombytes("RGB", shape, data).save(file, "png")
    return file.getvalue()


def codes_of(network, page, run, files):
    """Unit codes of these pictures."""
    with torch.no_grad():
        batches = (torch.stack([page["picture"](file, run) for file in files[at : at + 64]]) for at in range(0, len(files), 64))
        return torch.cat([torch.nn.functional.normalize(network(batch)) for batch in batches])


def network_of(page, run, architecture, weights):
    if architecture.startswith("efficientnet"):
        return page["efficientnet"](run, weights)
    if architecture == "vgg16-bn":
        return page["vgg16"](run, weights)
    return page["resnet"](run, weights, (3, 4, 6, 3) if architecture == "resnet34" else (2, 2, 2, 2))


def main(run):
    page = lines_of_the_page()
    settings = tomllib.loads((run / "config.toml").read_text())
    assert settings["code_views"] == 1, "expected a run with --code-views 1"
    architecture = settings["encoder"]["architecture"]
    with open(run / "assignments.csv", newline="") as table:
        paths = [row["path"] for row in csv.DictReader(table)]
    kept, raw = pictures_of_the_cache(run)
    tolerance = 1e-4 if raw else 0.1
    kinds = {"untouched": "untouched.safetensors", "backbone": "encoder.safetensors"}
    # One kind of codes lies in no folder of candidates.
    found = {kind: run / "candidates" / f"{kind}.npy" for kind in kinds}
    if not found["backbone"].exists():
        found = {"backbone": run / "embeddings.npy"}
    for kind, codes in found.items():
        if not codes.exists():
            continue
        network = network_of(page, run, architecture, kinds[kind])
        ours = torch.from_numpy(numpy.load(codes))
        distance = (codes_of(network, page, run, [kept[path] for path in paths]) - ours).norm(dim=1).max().item()
        print(f"{run}: {kind} codes of {len(ours)} pictures by {architecture}: within {distance:.1e}")
        assert distance <= tolerance
        if all(Path(path).is_file() for path in paths):
            cosines = (codes_of(network, page, run, paths) * ours).sum(dim=1)
            print(f"  of the photographs themselves: cosine {cosines.mean():.4f} on average, {cosines.min():.4f} at least")


if __name__ == "__main__":
    for run in sys.argv[1:]:
        main(Path(run))
