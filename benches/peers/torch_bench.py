"""The same steps as crates/kernels/examples/vgg_step.rs in PyTorch, one line of JSON each.

python torch_bench.py MODE SIZE BATCH [STEPS] [--channels-last] [--bf16] [--threads N]
"""
import argparse
import json
import resource
import time
from contextlib import nullcontext

import torch
import torchvision.models as models
from torch import nn


class AutoEncoder(nn.Module):
    """SegNet form of VGG16-BN: unpooling by the indices of the pooling, transposed convolutions."""

    def __init__(self):
        super().__init__()
        features = models.vgg16_bn(weights=None).features
        self.encoder = nn.ModuleList(
            nn.MaxPool2d(2, 2, return_indices=True) if isinstance(m, nn.MaxPool2d) else m for m in features)
        decoder = []
        for m in reversed(list(self.encoder)):
            if isinstance(m, nn.Conv2d):
                decoder += [nn.ConvTranspose2d(m.out_channels, m.in_channels, 3, 1, 1),
                            nn.BatchNorm2d(m.in_channels), nn.ReLU(inplace=True)]
            elif isinstance(m, nn.MaxPool2d):
                decoder += [nn.MaxUnpool2d(2, 2)]
        self.decoder = nn.ModuleList(decoder[:-2])

    def encode(self, x):
        places = []
        for m in self.encoder:
            x = m(x)
            if isinstance(x, tuple):
                places.append(x[1])
                x = x[0]
        return x, places

    def forward(self, x):
        x, places = self.encode(x)
        for m in self.decoder:
            x = m(x, places.pop()) if isinstance(m, nn.MaxUnpool2d) else m(x)
        return x


def resnet18(width, small_stem):
    """torchvision's ResNet-18 with every width scaled, without its head; or begun by a 3x3 of stride 2, no pooling."""
    net = models.resnet18(weights=None)
    if small_stem:
        net.conv1 = nn.Conv2d(3, 64, 3, stride=2, padding=1, bias=False)
        net.maxpool = nn.Identity()
    for m in net.modules():
        if isinstance(m, nn.Conv2d):
            inputs = m.in_channels if m.in_channels == 3 else m.in_channels * width // 64
            m.in_channels, m.out_channels = inputs, m.out_channels * width // 64
            m.weight = nn.Parameter(torch.empty(m.out_channels, inputs, *m.kernel_size))
            nn.init.kaiming_normal_(m.weight)
        elif isinstance(m, nn.BatchNorm2d):
            m.__init__(m.num_features * width // 64)
    return nn.Sequential(*list(net.children())[:-2])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("mode")
    parser.add_argument("size", type=int)
    parser.add_argument("batch", type=int)
    parser.add_argument("steps", type=int, nargs="?", default=5)
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    layout = torch.channels_last if args.channels_last else torch.contiguous_format
    cast = (lambda: torch.autocast("cpu", dtype=torch.bfloat16)) if args.bf16 else nullcontext
    net = AutoEncoder()
    if args.mode.startswith("resnet"):
        net = resnet18(int(args.mode[6:].rstrip("s")), args.mode.endswith("s"))
    net = net.to(memory_format=layout)
    if args.mode == "aggregate":
        net.decoder = None
    x = torch.randn(args.batch, 3, args.size, args.size).to(memory_format=layout)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)

    def step():
        if args.mode == "encoder":
            net.eval()
            with torch.no_grad(), cast():
                return net.encode(x)[0].sum().item()
        optimizer.zero_grad()
        with cast():
            y = net.encode(x)[0] if args.mode == "aggregate" else net(x)
            loss = ((y.float() - x) ** 2).mean() if args.mode == "autoencoder" else y.float().mean()
        loss.backward()
        optimizer.step()
        return loss.item()

    step()
    times = []
    for _ in range(args.steps):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    seconds = sorted(times)[args.steps // 2]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"mode": args.mode, "size": args.size, "batch": args.batch, "seconds": round(seconds, 4),
                      "images_per_second": round(args.batch / seconds, 3), "peak_mb": peak,
                      "layout": "channels-last" if args.channels_last else "nchw", "bf16": args.bf16}))


main()
