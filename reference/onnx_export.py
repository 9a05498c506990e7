"""Two small random networks of PyTorch as ONNX files, with their codes.

`python onnx_export.py` writes `onnx/{convolutions,tokens}.onnx` and `onnx/codes.safetensors`, a few seconds: a convolutional
network that ends in pooled features, a vision transformer of timm's that ends in tokens.
"""

import warnings
from pathlib import Path

import timm
import torch
from safetensors.torch import save_file
from torch import nn

from transformers_parity import draw, normalised, pictures

HERE = Path(__file__).parent / "onnx"
warnings.filterwarnings("ignore")


class Convolutions(nn.Module):
    """What exported encoders are made of: strided and grouped convolutions, batch norm, pooling, a residual, SiLU."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 12, 3, 2, 1, bias=False), nn.BatchNorm2d(12), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
        self.block = nn.Sequential(
            nn.Conv2d(12, 24, 1), nn.SiLU(), nn.Conv2d(24, 24, 3, 1, 1, groups=24), nn.BatchNorm2d(24), nn.GELU(), nn.Conv2d(24, 12, 1)
        )
        self.head = nn.Conv2d(12, 20, 3, 2, 1)

    def forward(self, x):
        x = self.stem(x)
        x = self.head(x + self.block(x))
        return nn.functional.adaptive_avg_pool2d(x, 1).flatten(1)


class Tokens(nn.Module):
    def __init__(self):
        super().__init__()
        self.model = timm.models.vision_transformer.VisionTransformer(
            img_size=40, patch_size=8, embed_dim=32, depth=2, num_heads=2, num_classes=0
        )

    def forward(self, x):
        return self.model.forward_features(x)


def main():
    HERE.mkdir(exist_ok=True)
    images = pictures(40)
    codes = {"images": torch.tensor(images)}
    for name, model, seed in [("convolutions", Convolutions(), 5), ("tokens", Tokens(), 6)]:
        model = draw(model, seed)
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.3)
                module.running_var.uniform_(0.5, 2)
        with torch.no_grad():
            codes[name] = model(normalised(images))
        model = model.float()
        path = HERE / f"{name}.onnx"
        torch.onnx.export(
            model, (torch.zeros(1, 3, 40, 40),), path, input_names=["images"], output_names=["codes"], opset_version=18,
            dynamic_shapes=({0: torch.export.Dim("batch")},), dynamo=True, external_data=False,
        )
    save_file({k: v.float().contiguous() for k, v in codes.items()}, HERE / "codes.safetensors")
    for path in sorted(HERE.iterdir()):
        print(f"{path.stat().st_size:8} {path.name}")


if __name__ == "__main__":
    main()
