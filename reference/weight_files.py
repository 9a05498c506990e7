"""Small weight files as PyTorch writes them, and two that must be refused: `python weight_files.py`."""

import collections
import os

import torch
from safetensors.torch import save_file

from networks import vgg_features


class Hostile:
    def __reduce__(self):
        return os.system, ("echo this must never run",)


def main():
    torch.manual_seed(0)
    features = vgg_features([1, 1, 2, 2, 2], 1 / 64)
    tensors = collections.OrderedDict((f"features.{k}", v) for k, v in features.state_dict().items())
    tensors["classifier.0.weight"] = torch.ones(2, 8)
    torch.save(tensors, "weights/vgg11_bn_zip.pth")
    torch.save(tensors, "weights/vgg11_bn_legacy.pth", _use_new_zipfile_serialization=False)
    # The article's checkpoint of an auto-encoder, half precision, a transposed view, wrapped as trainers do.
    article = {f"module.encoder.encoder.{k.removeprefix('features.')}": v for k, v in tensors.items() if "features" in k}
    first = article["module.encoder.encoder.0.weight"]
    article["module.encoder.encoder.0.weight"] = first.permute(1, 2, 3, 0).contiguous().permute(3, 0, 1, 2)
    article = {k: v.half() if v.is_floating_point() else v for k, v in article.items()}
    torch.save({"epoch": 3, "state_dict": article}, "weights/vgg11_bn_article.pth")
    save_file({k: v for k, v in tensors.items()}, "weights/vgg11_bn.safetensors")
    torch.save({"state_dict": tensors, "hook": Hostile()}, "weights/hostile.pth")
    torch.save(torch.nn.Linear(2, 2), "weights/whole_module.pth")


if __name__ == "__main__":
    main()
