"""Golden numbers of whole networks: forward, loss, gradients, running statistics, ten SGD steps.

Computed in float64, saved as float32. `python parity.py` writes parity/*.safetensors. `python parity.py 40` writes
nothing and says of that many seeds how clearly the closest pooling of all eleven passes is decided (its lead), and how
far the farthest tensor moves when every convolution's output is disturbed by 5e-7 of its size. A maximum that rounding
turns around sends a value to another pixel, and no tolerance covers that: seeds are chosen by these two figures.
"""

import sys

import torch
from safetensors.torch import save_file
from torchvision.models.resnet import BasicBlock, Bottleneck

from networks import AutoEncoder, EfficientNetLite, ResNet, decay_groups, randomise

MOMENTUM, DECAY, STEPS = 0.9, 0.01, 10


def state(network, prefix):
    return {f"{prefix}.{k}": v.clone() for k, v in network.state_dict().items() if "num_batches" not in k}


def record(network, forward, lr):
    """Every number of ten steps on one batch; `forward` gives named outputs, the loss and a lead."""
    golden = state(network, "before")
    optimiser = torch.optim.SGD(decay_groups(network, DECAY), lr=lr, momentum=MOMENTUM)
    losses, lead = [], float("inf")
    network.train()
    for step in range(STEPS):
        outputs, loss, ahead = forward(network)
        lead = min(lead, ahead)
        optimiser.zero_grad()
        loss.backward()
        losses.append(loss.detach())
        if step == 0:
            golden |= {f"forward.{k}": v.detach().clone() for k, v in outputs.items()}
            golden |= {f"gradient.{k}": p.grad.clone() for k, p in network.named_parameters()}
            golden |= {k: v for k, v in state(network, "first").items() if "running" in k}
        optimiser.step()
    golden |= state(network, "after")
    network.eval()
    outputs, loss, ahead = forward(network)
    golden |= {f"evaluation.{k}": v.detach() for k, v in outputs.items()}
    golden["losses"] = torch.stack(losses)
    return golden, min(lead, ahead)


def disturb(network, rounding):
    """Noise of this relative size on every convolution's output, the same for every run."""
    generator = torch.Generator().manual_seed(1)

    def add(module, inputs, output):
        noise = torch.randn(output.shape, generator=generator, dtype=output.dtype)
        return output + rounding * output.detach().square().mean().sqrt() * noise

    if rounding:
        for module in network.modules():
            if isinstance(module, (torch.nn.Conv2d, torch.nn.ConvTranspose2d)):
                module.register_forward_hook(add)
    return network


def auto_encoder(seed, rounding=0.0):
    torch.manual_seed(seed)
    network = AutoEncoder([2, 2, 3, 3, 3], 1 / 32)
    randomise(network)
    images = torch.randn(4, 3, 32, 32).double()

    def forward(network):
        code_map, indices, lead = network.encode(images)
        drawn = network.decode(code_map, indices)
        return {"map": code_map, "drawn": drawn}, torch.nn.functional.mse_loss(drawn, images), lead

    golden, lead = record(disturb(network.double(), rounding), forward, 0.001)
    return golden | {"images": images}, lead


def coded(make, side, lr):
    """A network with codes, trained towards random ones."""

    def build(seed, rounding=0.0):
        torch.manual_seed(seed)
        network = make()
        randomise(network)
        images, target = torch.randn(4, 3, side, side).double(), torch.randn(4, 5).double()

        def forward(network):
            merged, codes = network.codes(images)
            return {"merged": merged, "codes": codes}, torch.nn.functional.mse_loss(codes, target), float("inf")

        golden, lead = record(disturb(network.double(), rounding), forward, lr)
        return golden | {"images": images, "target": target}, lead

    return build


def distance(exact, other):
    """The farthest tensor, relative; a bias before batch norm has gradient 0 and no relative error."""
    return max(((other[k] - v).norm() / v.norm()).item() for k, v in exact.items() if v.norm() > 1e-9)


def main(tries):
    # Seeds found by the search below; a narrow network at another one may turn a pooling or a ReLU around.
    networks = {
        "vgg16_bn": (3, auto_encoder),
        "resnet18": (12, coded(lambda: ResNet(BasicBlock, [2, 2, 2, 2], 1 / 32, False, 5), 64, 0.02)),
        "resnet18_small_stem": (13, coded(lambda: ResNet(BasicBlock, [2, 2, 2, 2], 1 / 32, True, 5), 32, 0.02)),
        "resnet50": (4, coded(lambda: ResNet(Bottleneck, [3, 4, 6, 3], 1 / 32, False, 5), 64, 0.001)),
        # Sides of 50, 25, 13, 7, 4 and 2: padding differs between even and odd ones.
        "efficientnet_lite0": (5, coded(lambda: EfficientNetLite(0, 0.1, 5), 50, 0.002)),
    }
    for name, (chosen, build) in networks.items():
        for seed in range(tries) or [chosen]:
            golden, lead = build(seed)
            noise = max(distance(golden, build(seed, r)[0]) for r in (5e-7, -5e-7))
            print(f"{name}: seed {seed}, lead {lead:.2e}, disturbed by 5e-7 within {noise:.2e}")
            if seed == chosen and not tries:
                save_file({k: v.float().contiguous() for k, v in golden.items()}, f"parity/{name}.safetensors")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
