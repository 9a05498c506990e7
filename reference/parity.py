"""Golden numbers of whole networks: forward, loss, gradients, running statistics, ten SGD steps.

Computed in float64, saved as float32: `python parity.py` writes parity/*.safetensors. For the auto-encoder it
tries seeds until no pooling has a near-tie in any of the eleven passes, since a maximum that rounding moves sends
a value to another pixel. It prints how far PyTorch's own float32 is from its float64, the floor of any comparison.
"""

import copy
import sys

import torch
from safetensors.torch import save_file
from torchvision.models.resnet import BasicBlock, Bottleneck

from networks import AutoEncoder, ResNet, decay_groups, randomise

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


def auto_encoder(seed, dtype):
    torch.manual_seed(seed)
    network = AutoEncoder([2, 2, 3, 3, 3], 1 / 32)
    randomise(network)
    images = torch.randn(4, 3, 32, 32).to(dtype)

    def forward(network):
        code_map, indices, lead = network.encode(images)
        drawn = network.decode(code_map, indices)
        return {"map": code_map, "drawn": drawn}, torch.nn.functional.mse_loss(drawn, images), lead

    golden, lead = record(network.to(dtype), forward, 0.02)
    return golden | {"images": images}, lead


def residual(block, depths, small_stem, side, lr):
    def build(seed, dtype):
        torch.manual_seed(seed)
        network = ResNet(block, depths, 1 / 32, small_stem, 5)
        randomise(network)
        images, target = torch.randn(4, 3, side, side).to(dtype), torch.randn(4, 5).to(dtype)

        def forward(network):
            merged, codes = network.codes(images)
            return {"merged": merged, "codes": codes}, torch.nn.functional.mse_loss(codes, target), float("inf")

        golden, lead = record(network.to(dtype), forward, lr)
        return golden | {"images": images, "target": target}, lead

    return build


def floor(exact, rounded):
    """Largest distance of float32 from float64; a bias before batch norm has gradient 0 and no relative error."""
    worst = 0.0
    for name, value in exact.items():
        if value.norm() > 1e-9:
            worst = max(worst, ((rounded[name].double() - value).norm() / value.norm()).item())
    return worst


def main(tries):
    networks = {
        "vgg16_bn": auto_encoder,
        "resnet18": residual(BasicBlock, [2, 2, 2, 2], False, 64, 0.02),
        "resnet18_small_stem": residual(BasicBlock, [2, 2, 2, 2], True, 32, 0.02),
        "resnet50": residual(Bottleneck, [3, 4, 6, 3], False, 64, 0.003),
    }
    for name, build in networks.items():
        found = []
        for seed in range(tries if name == "vgg16_bn" else min(tries, 16)):
            golden, lead = build(seed, torch.float64)
            rounded, _ = build(seed, torch.float32)
            found.append((floor(golden, rounded), -lead, seed))
        # The widest lead among seeds where float32 itself is exact enough to compare with.
        good = [entry for entry in found if entry[0] < 2e-5] or [min(found)]
        noise, lead, seed = min(good, key=lambda entry: (entry[1], entry[0]))
        golden, _ = build(seed, torch.float64)
        print(f"{name}: seed {seed}, lead {-lead:.2e}, float32 of PyTorch within {noise:.2e}")
        save_file({k: v.float().contiguous() for k, v in golden.items()}, f"parity/{name}.safetensors")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 80)
