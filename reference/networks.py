"""The networks of the golden numbers, narrow, built from torchvision's and timm's own parts."""

from functools import partial

import torch
from timm.models import _efficientnet_blocks, efficientnet
from timm.models._efficientnet_builder import decode_arch_def, round_channels
from torch import nn
from torchvision.models import resnet, vgg


def scaled(channels, width):
    return max(1, int(channels * width + 0.5))


def vgg_features(depths, width):
    plan = []
    for channels, depth in zip([64, 128, 256, 512, 512], depths):
        plan += [scaled(channels, width)] * depth + ["M"]
    return vgg.make_layers(plan, batch_norm=True)


class AutoEncoder(nn.Module):
    """VGG features with pooling indices, and their mirror. Keys: `features.N.*`, `decoder.N.*`."""

    def __init__(self, depths, width):
        super().__init__()
        self.features = vgg_features(depths, width)
        mirror = []
        for module in self.features:
            if isinstance(module, nn.MaxPool2d):
                module.return_indices = True
        for module in reversed(self.features):
            if isinstance(module, nn.Conv2d):
                n_out, n_in = module.out_channels, module.in_channels
                mirror += [nn.ConvTranspose2d(n_out, n_in, 3, padding=1), nn.BatchNorm2d(n_in), nn.ReLU()]
            elif isinstance(module, nn.MaxPool2d):
                mirror.append(nn.MaxUnpool2d(2, 2))
        self.decoder = nn.ModuleList(mirror[:-2])

    def encode(self, x):
        """Map, pooling indices, and the smallest lead of a pooling's maximum over the next value."""
        indices, lead = [], float("inf")
        for module in self.features:
            if isinstance(module, nn.MaxPool2d):
                windows = nn.functional.unfold(x, 2, stride=2).unflatten(1, (x.shape[1], 4))
                first, second = windows.topk(2, dim=2).values.unbind(2)
                # Windows of zeros tie exactly, on both sides alike.
                lead = min(lead, (first - second)[first > 0].min().item())
                x, positions = module(x)
                indices.append(positions)
            else:
                x = module(x)
        return x, indices, lead

    def decode(self, x, indices):
        indices = list(indices)
        for module in self.decoder:
            x = module(x, indices.pop()) if isinstance(module, nn.MaxUnpool2d) else module(x)
        return x


class ResNet(resnet.ResNet):
    """torchvision's ResNet with a width, an optional 3x3 stem, and a linear head named `head`."""

    def __init__(self, block, depths, width, small_stem, head_dim):
        nn.Module.__init__(self)
        self._norm_layer = nn.BatchNorm2d
        self.dilation, self.groups, self.base_width = 1, 1, 64
        self.inplanes = scaled(64, width)
        kernel, stride, padding = (3, 1, 1) if small_stem else (7, 2, 3)
        self.conv1 = nn.Conv2d(3, self.inplanes, kernel, stride, padding, bias=False)
        self.bn1 = nn.BatchNorm2d(self.inplanes)
        self.relu = nn.ReLU()
        self.maxpool = nn.Identity() if small_stem else nn.MaxPool2d(3, 2, 1)
        self.layer1 = self._make_layer(block, scaled(64, width), depths[0])
        self.layer2 = self._make_layer(block, scaled(128, width), depths[1], stride=2)
        self.layer3 = self._make_layer(block, scaled(256, width), depths[2], stride=2)
        self.layer4 = self._make_layer(block, scaled(512, width), depths[3], stride=2)
        self.head = nn.Linear(scaled(512, width) * block.expansion, head_dim)

    def codes(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        merged = x.mean((2, 3))
        return merged, self.head(merged)


class EfficientNetLite(efficientnet.EfficientNet):
    """timm's `tf_efficientnet_lite0` to 4 with another factor on all channels, and a linear head named `head`."""

    PLANS = [(1.0, 1.0), (1.0, 1.1), (1.1, 1.2), (1.2, 1.4), (1.4, 1.8)]
    BLOCKS = [
        ["ds_r1_k3_s1_e1_c16"],
        ["ir_r2_k3_s2_e6_c24"],
        ["ir_r2_k5_s2_e6_c40"],
        ["ir_r3_k3_s2_e6_c80"],
        ["ir_r3_k5_s1_e6_c112"],
        ["ir_r4_k5_s2_e6_c192"],
        ["ir_r1_k3_s1_e6_c320"],
    ]

    def __init__(self, number, width, head_dim):
        channels, depth = self.PLANS[number]
        # Inner channels are rounded to multiples of 8, which they are already at the published width.
        _efficientnet_blocks.make_divisible = lambda n, *_: int(n)
        super().__init__(
            block_args=decode_arch_def(self.BLOCKS, depth, fix_first_last=True),
            num_features=scaled(1280, width),
            stem_size=scaled(32, width),
            fix_stem=True,
            round_chs_fn=lambda n: scaled(round_channels(n, channels), width),
            act_layer=nn.ReLU6,
            norm_layer=partial(nn.BatchNorm2d, eps=1e-3),
            pad_type="same",
            num_classes=0,
        )
        self.head = nn.Linear(self.num_features, head_dim)

    def codes(self, x):
        merged = self.forward_features(x).mean((2, 3))
        return merged, self.head(merged)


def randomise(network):
    """Values away from 0 and 1 for biases and batch norms, so that no term of a gradient hides."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.7, 1.3)
            nn.init.uniform_(module.bias, -0.3, 0.3)
        elif isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            # PyTorch counts a depthwise filter's outputs as if it had all channels.
            module.weight.data *= module.groups**0.5
            if module.bias is not None:
                nn.init.uniform_(module.bias, -0.3, 0.3)
    for module in network.modules():
        if isinstance(module, resnet.Bottleneck):
            # Fifty layers of two channels are chaotic otherwise, in float32 against float64 too.
            nn.init.uniform_(module.bn3.weight, 0.1, 0.3)
        elif isinstance(getattr(module, "act", None), nn.ReLU6):
            # Between the ends of ReLU6 more often than at them: fifty of them in a row are as chaotic.
            nn.init.uniform_(module.weight, 0.4, 0.8)
            nn.init.uniform_(module.bias, 1.0, 2.0)


def decay_groups(network, weight_decay):
    """Weight decay on everything but batch norm's parameters."""
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    plain = {id(p) for m in norms for p in m.parameters()}
    return [
        {"params": [p for p in network.parameters() if id(p) not in plain], "weight_decay": weight_decay},
        {"params": [p for p in network.parameters() if id(p) in plain], "weight_decay": 0.0},
    ]
