"""Codes of DINOv2's ViT-S/14 at 224 px, here and in PyTorch, two threads, in turns.

`python compare.py [ROUNDS]` from the root of the checkout, after `cargo build --release -p sporeprint-cli`. Needs torch,
transformers and Pillow. The weights are random, which costs the same time. Prints pictures per second of every round,
reading of files and weights left out on both sides.
"""

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from transformers import Dinov2Config, Dinov2Model

THREADS, SIZE, N = 2, 224, 48


def ours(folder):
    """As the program itself counts: from pixels in memory to codes."""
    command = ["target/release/sporeprint", "run", folder / "pictures", "--out", folder / "run", "--overwrite", "--no-open"]
    command += ["--encoder", "dinov2", "--weights", folder / "model.safetensors", "--threads", str(THREADS), "-k", "2"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    # The second line of this kind is that of the pixels, a baseline.
    return float(re.search(r"codes of all images: \d+ in [\d.]+ s \(([\d.]+)/s\)", said).group(1))


def pytorch(model, batch):
    x = torch.randn(batch, 3, SIZE, SIZE)
    with torch.inference_mode():
        model(x)
        begun = time.perf_counter()
        for _ in range(N // batch):
            model(x)
    return N / (time.perf_counter() - begun)


def main(rounds):
    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    config = Dinov2Config(hidden_size=384, num_hidden_layers=12, num_attention_heads=6, patch_size=14, image_size=518)
    model = Dinov2Model(config).eval()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        model.save_pretrained(folder)
        (folder / "pictures").mkdir()
        for i in range(N):
            pixels = np.random.default_rng(i).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "pictures" / f"{i:03}.png")
        for _ in range(rounds):
            print(f"sporeprint          {ours(folder):6.2f}/s", flush=True)
            for batch in [1, 4, 16]:
                print(f"PyTorch, batch {batch:2}   {pytorch(model, batch):6.2f}/s", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
