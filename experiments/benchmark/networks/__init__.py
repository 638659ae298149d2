"""The networks that are compared, each a file named as in ``jaxdl.models``.

A file says ``BATCH_SIZE`` and has, beside the form in ``jaxdl.models``, two more of the same network with ten classes:
``flax(dtype)``, of linen's own layers, whose variables are named as ours; and ``pytorch()``. Each imports what it needs
in the function, so that a process that trains one of the two never loads the other. To add a network, write such a file
and enter it here. ``whitening`` is a layer that two of them share.
"""

from collections.abc import Mapping
from types import MappingProxyType, ModuleType

from experiments.benchmark.networks import cifar_cnn, quick_cnn, resnet18, speed_cnn

NETWORKS: Mapping[str, ModuleType] = MappingProxyType(
    {"cifar_cnn": cifar_cnn, "quick_cnn": quick_cnn, "resnet18": resnet18, "speed_cnn": speed_cnn}
)
