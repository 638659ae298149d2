"""The updates of the published 94 % programs for CIFAR-10, written for PyTorch from their description."""

import math

from tests.optim.test_muon import published_muon
from tests.pytorch import torch

BATCH, MOMENTUM = 1024, 0.85
MUON_BATCH = 2000


def trained(network, mean_gradients, steps_per_epoch, *, whitening_trains=3):
    """``network``'s parameters by name after each update, of a run of 9.9 epochs; in place.

    mean_gradients: name -> gradient of the loss averaged over the batch, a dict for each update.
    """
    library = torch()
    steps = math.ceil(9.9 * steps_per_epoch)
    assert len(mean_gradients) == steps
    kilostep = 1024 * (1 + 1 / (1 - MOMENTUM))
    rate, decay = 11.5 / kilostep, 0.0153 * BATCH / kilostep
    named = {name: each for name, each in network.named_parameters() if each.requires_grad}
    norms = [each for name, each in named.items() if "norm" in name]
    others = [each for name, each in named.items() if "norm" not in name]
    groups = [
        {"params": norms, "lr": 64 * rate, "weight_decay": decay / (64 * rate)},
        {"params": others, "lr": rate, "weight_decay": decay / rate},
    ]
    optimizer = library.optim.SGD(groups, momentum=MOMENTUM, nesterov=True)
    rise = int(0.23 * steps)

    def share(step):
        if step < rise:
            return 0.2 + 0.8 * step / rise
        done = (step - rise) / (steps - rise)
        return 1 - done + 0.07 * done

    scheduler = library.optim.lr_scheduler.LambdaLR(optimizer, share)
    slow = {name: each.detach().clone() for name, each in named.items()}

    def draw_back(decay):
        for name, each in named.items():
            slow[name].lerp_(each.detach(), 1 - decay)
            each.data.copy_(slow[name])

    for step, gradients in enumerate(mean_gradients):
        for name, each in named.items():
            stays = name.startswith("whitening") and step >= whitening_trains * steps_per_epoch
            each.grad = None if stays else BATCH * gradients[name]
        optimizer.step()
        scheduler.step()
        done = step + 1
        if done % 5 == 0:
            draw_back(0.95**5 * (done / steps) ** 3)
        if done == steps:
            draw_back(1.0)
        yield {name: each.detach().clone() for name, each in named.items()}


def trained_with_muon(network, mean_gradients, steps_per_epoch, *, whitening_trains=3):
    """As ``trained``, of the variant with Muon: 8 epochs."""
    library = torch()
    steps, ends = 8 * steps_per_epoch, whitening_trains * steps_per_epoch
    assert len(mean_gradients) == steps
    decay = 2e-6 * MUON_BATCH
    named = {name: each for name, each in network.named_parameters() if each.requires_grad}
    kernels = {name: each for name, each in named.items() if each.ndim == 4}
    rest = {name: each for name, each in named.items() if each.ndim != 4}
    rates = {name: 0.67 if name.startswith("linear") else 0.053 for name in rest}
    groups = [{"params": [each], "lr": rates[n], "weight_decay": decay / rates[n]} for n, each in rest.items()]
    optimizer = library.optim.SGD(groups, momentum=0.85, nesterov=True)
    followed = [[MUON_BATCH * each[name] for name in kernels] for each in mean_gradients]
    copies, moved = [each.detach().clone() for each in kernels.values()], []

    class Rates:  # the kernels' rates; after each update of theirs, what they are then
        def __iter__(self):
            for step in range(steps):
                yield 0.24 * (1 - step / steps)
                moved.append([each.clone() for each in copies])

    published_muon(library, copies, followed, Rates(), momentum=0.6, nesterov=True)
    for step, gradients in enumerate(mean_gradients):
        for group, name in zip(optimizer.param_groups, rest, strict=True):
            whitening = name.startswith("whitening")
            rest[name].grad = None if whitening and step >= ends else MUON_BATCH * gradients[name]
            group["lr"] = rates[name] * (1 - step / (ends if whitening else steps))
            if rest[name].grad is None:
                group["lr"] = 0.0
        optimizer.step()
        yield {name: each.detach().clone() for name, each in rest.items()} | dict(
            zip(kernels, moved[step], strict=True)
        )
