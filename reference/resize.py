"""Pillow's bicubic resizing of small random pictures: fixtures/pil_bicubic.json."""
import json
from pathlib import Path

import numpy as np
from PIL import Image

SHAPES = [((7, 5), (4, 3)), ((5, 7), (11, 10)), ((24, 17), (8, 8)), ((3, 3), (3, 9)), ((40, 1), (13, 2)), ((16, 16), (16, 16)), ((9, 31), (10, 6))]


def main():
    draw = np.random.default_rng(0)
    cases = []
    for (h, w), (oh, ow) in SHAPES:
        # Black and white beside each other make the filter overshoot.
        src = draw.integers(0, 256, (h, w, 3), dtype=np.uint8)
        src[draw.random((h, w)) < 0.3] = draw.choice([0, 255])
        dst = np.asarray(Image.fromarray(src).resize((ow, oh), Image.BICUBIC))
        cases.append({"h": h, "w": w, "oh": oh, "ow": ow, "src": src.tolist(), "dst": dst.tolist()})
    path = Path(__file__).parent / "fixtures/pil_bicubic.json"
    path.write_text(json.dumps(cases) + "\n")


if __name__ == "__main__":
    main()
