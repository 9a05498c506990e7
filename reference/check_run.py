"""The Python of docs/encoders.md on a run of this program: its networks in torchvision, its codes again.

`python check_run.py RUN ..` writes nothing. Each RUN was made from photographs that are still there, by a ResNet-18, ResNet-34 or VGG-16 with
`--code-views 1`: that of `sporeprint demo`, or `sporeprint run PHOTOS --out RUN --code-views 1`. Codes of PNG files agree to rounding. Decoders of
JPEG differ by up to three levels of 255, which moves a code by some hundredths.
"""

import csv
import re
import sys
import tomllib
from pathlib import Path

import numpy
import torch

PAGE = Path(__file__).parent.parent / "docs" / "encoders.md"


def lines_of_the_page():
    """What its blocks of Python define; the last one uses them on a run that is not here."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    names = {}
    for block in blocks[:-1]:
        exec(block, names)
    return names


def main(run):
    page = lines_of_the_page()
    settings = tomllib.loads((run / "config.toml").read_text())
    assert settings["code_views"] == 1, "expected a run with --code-views 1"
    architecture = settings["encoder"]["architecture"]
    with open(run / "assignments.csv", newline="") as table:
        paths = [row["path"] for row in csv.DictReader(table)]
    pictures = torch.stack([page["picture"](path, settings["encoder"]["image_size"]) for path in paths])
    tolerance = 1e-4 if all(path.endswith(".png") for path in paths) else 0.1
    kinds = {"untouched": "untouched.safetensors", "backbone": "encoder.safetensors"}
    # One kind of codes lies in no folder of candidates.
    found = {kind: run / "candidates" / f"{kind}.npy" for kind in kinds}
    if not found["backbone"].exists():
        found = {"backbone": run / "embeddings.npy"}
    for kind, codes in found.items():
        if not codes.exists():
            continue
        network = page["vgg16"](run, kinds[kind]) if architecture == "vgg16-bn" else page["resnet"](
            run, kinds[kind], (3, 4, 6, 3) if architecture == "resnet34" else (2, 2, 2, 2))
        with torch.no_grad():
            theirs = torch.cat([torch.nn.functional.normalize(network(batch)) for batch in pictures.split(128)])
        ours = torch.from_numpy(numpy.load(codes))
        distance = (theirs - ours).norm(dim=1).max().item()
        print(f"{run}: {kind} codes of {len(ours)} pictures by {architecture}: within {distance:.1e}")
        assert distance <= tolerance


if __name__ == "__main__":
    for run in sys.argv[1:]:
        main(Path(run))
