"""The network of speed_cnn written for PyTorch from its published description, and its arrays by our names."""

import numpy as np

from tests.pytorch import torch

WIDTHS = (64, 256, 256)


def published(*, for_muon=False, widths=WIDTHS):
    """The module, started as published. Whitening kernels are zeros: they come from data."""
    library = torch()
    nn = library.nn

    class Norm(nn.BatchNorm2d):
        def __init__(self, features):
            super().__init__(features, eps=1e-12, momentum=0.4)
            self.weight.requires_grad_(False)

    class Group(nn.Module):
        def __init__(self, inputs, features):
            super().__init__()
            self.first = nn.Conv2d(inputs, features, 3, padding=1, bias=False)
            self.norm_first = Norm(features)
            self.second = nn.Conv2d(features, features, 3, padding=1, bias=False)
            self.norm_second = Norm(features)
            for convolution in (self.first, self.second):
                nn.init.dirac_(convolution.weight.data[: convolution.in_channels])

        def forward(self, x):
            gelu = nn.functional.gelu
            x = gelu(self.norm_first(nn.functional.max_pool2d(self.first(x), 2)))
            return gelu(self.norm_second(self.second(x)))

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.whitening = nn.Conv2d(3, 24, 2)
            self.whitening.weight.requires_grad_(False).zero_()
            self.groups = nn.Sequential(*(Group(*pair) for pair in zip((24, *widths), widths, strict=False)))
            self.linear = nn.Linear(widths[-1], 10, bias=False)
            if for_muon:
                self.linear.weight.data.div_(self.linear.weight.data.std())
            else:
                self.whitening.bias.data.zero_()

        def forward(self, x):
            x = self.groups(nn.functional.gelu(self.whitening(x)))
            x = nn.functional.max_pool2d(x, 3).flatten(1)
            return self.linear(x) / (widths[-1] if for_muon else 9)

    return Network()


def parameters(arrays):
    """Of tensors by PyTorch's names, our ``params``; the missing ones are left out."""
    leaves = {"whitening.bias": ("Whiten_0", "bias"), "linear.weight": ("Dense_0", "kernel")}
    for group in range(3):
        for layer, order in enumerate(("first", "second")):
            leaves[f"groups.{group}.{order}.weight"] = (f"Conv_{2 * group + layer}", "kernel")
            leaves[f"groups.{group}.norm_{order}.bias"] = (f"BatchNorm_{2 * group + layer}", "bias")
    found = {layer: {leaf: _ours(arrays[name])} for name, (layer, leaf) in leaves.items() if name in arrays}
    return dict(sorted(found.items()))


def statistics(arrays):
    """Of tensors by PyTorch's names, our ``batch_stats``."""
    found = {"Whiten_0": {"kernel": _ours(arrays["whitening.weight"])}}
    for group in range(3):
        for layer, order in enumerate(("first", "second")):
            norm = f"groups.{group}.norm_{order}.running_"
            found[f"BatchNorm_{2 * group + layer}"] = {name: _ours(arrays[norm + name]) for name in ("mean", "var")}
    return found


def _ours(tensor):
    array = tensor.detach().numpy()
    return np.array(array.transpose({1: (0,), 2: (1, 0), 4: (2, 3, 1, 0)}[array.ndim]))
