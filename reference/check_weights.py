"""This program's weight files in torchvision's networks, by the lines that its documentation gives.

`python check_weights.py [DIR]` writes nothing. Without DIR it asks the Rust example for the files:
`cargo run -p sporeprint --example export_weights -- DIR`. Each file lies beside the codes that this program
computed with it.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import torchvision
from safetensors.torch import load_file


def vgg16(path):
    tensors = load_file(path)
    features = {k.removeprefix("features."): v for k, v in tensors.items() if k.startswith("features.")}
    network = torchvision.models.vgg16_bn().features.eval(); network.load_state_dict(features)
    return network


def resnet18(path):
    network = torchvision.models.resnet18()
    left = network.load_state_dict(load_file(path), strict=False)
    assert left.missing_keys == ["fc.weight", "fc.bias"] and not left.unexpected_keys, left
    network.fc = torch.nn.Identity()
    return network.eval()


def main(directory):
    for name, load in [("vgg16_bn", vgg16), ("resnet18", resnet18)]:
        network = load(directory / f"{name}.safetensors")
        expected = load_file(directory / f"{name}_codes.safetensors")
        with torch.no_grad():
            codes = network(expected["images"])
        codes = codes.mean((2, 3)) if codes.ndim == 4 else codes
        distance = ((codes - expected["codes"]).norm() / codes.norm()).item()
        print(f"{name}: codes within {distance:.1e}")
        assert distance <= 1e-4


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as directory:
            command = ["cargo", "run", "-p", "sporeprint", "--example", "export_weights", "--", directory]
            subprocess.run(command, check=True)
            main(Path(directory))
