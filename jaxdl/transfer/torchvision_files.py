"""The weight files that torchvision publishes for models of ours: found on this machine, or downloaded.

https://docs.pytorch.org/vision/stable/models.html
"""

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from jaxdl import places
from jaxdl.download import DownloadError, download, has_hash
from jaxdl.errors import UserError, unknown
from jaxdl.transfer.faults import faults_of

BASE = "https://download.pytorch.org/models/"
# The best of each model at its usual image size, torchvision's DEFAULT. A name ends in the start of the file's SHA-256.
FILES: Mapping[str, str] = MappingProxyType(
    {
        "alexnet": "alexnet-owt-7be5be79.pth",
        "densenet121": "densenet121-a639ec97.pth",
        "densenet161": "densenet161-8d451a50.pth",
        "densenet169": "densenet169-b2777c0a.pth",
        "densenet201": "densenet201-c1103571.pth",
        "efficientnet_b0": "efficientnet_b0_rwightman-7f5810bc.pth",
        "efficientnet_b1": "efficientnet_b1-c27df63c.pth",
        "efficientnet_b2": "efficientnet_b2_rwightman-c35c1473.pth",
        "efficientnet_b3": "efficientnet_b3_rwightman-b3899882.pth",
        "efficientnet_b4": "efficientnet_b4_rwightman-23ab8bcd.pth",
        "efficientnet_b5": "efficientnet_b5_lukemelas-1a07897c.pth",
        "efficientnet_b6": "efficientnet_b6_lukemelas-24a108a5.pth",
        "efficientnet_b7": "efficientnet_b7_lukemelas-c5b4e57e.pth",
        "googlenet": "googlenet-1378be20.pth",
        "inception_v3": "inception_v3_google-0cc3c7bd.pth",
        "mobilenet_v2": "mobilenet_v2-7ebf99e0.pth",
        "mobilenet_v3_large": "mobilenet_v3_large-5c1a4163.pth",
        "mobilenet_v3_small": "mobilenet_v3_small-047dcff4.pth",
        "resnet18": "resnet18-f37072fd.pth",
        "resnet34": "resnet34-b627a593.pth",
        "resnet50": "resnet50-11ad3fa6.pth",
        "resnet101": "resnet101-cd907fc2.pth",
        "resnet152": "resnet152-f82ba261.pth",
        "resnext50_32x4d": "resnext50_32x4d-1a0047aa.pth",
        "resnext101_32x8d": "resnext101_32x8d-110c445d.pth",
        "resnext101_64x4d": "resnext101_64x4d-173b62eb.pth",
        "shufflenet_v2_x0_5": "shufflenetv2_x0.5-f707e7126e.pth",
        "shufflenet_v2_x1_0": "shufflenetv2_x1-5666bf0f80.pth",
        "shufflenet_v2_x1_5": "shufflenetv2_x1_5-3c479a10.pth",
        "shufflenet_v2_x2_0": "shufflenetv2_x2_0-8be3c8ee.pth",
        "squeezenet1_0": "squeezenet1_0-b66bff10.pth",
        "squeezenet1_1": "squeezenet1_1-b8a52dc0.pth",
        "vgg11": "vgg11-8a719046.pth",
        "vgg11_bn": "vgg11_bn-6002323d.pth",
        "vgg13": "vgg13-19584684.pth",
        "vgg13_bn": "vgg13_bn-abd245e5.pth",
        "vgg16": "vgg16-397923af.pth",
        "vgg16_bn": "vgg16_bn-6c64b313.pth",
        "vgg19": "vgg19-dcbb9e9d.pth",
        "vgg19_bn": "vgg19_bn-c79401a0.pth",
        "vit_b_16": "vit_b_16-c867db91.pth",
        "vit_b_32": "vit_b_32-d86f8d99.pth",
        "vit_l_16": "vit_l_16-852ce7e3.pth",
        "wide_resnet50_2": "wide_resnet50_2-9ba9bcbe.pth",
        "wide_resnet101_2": "wide_resnet101_2-d733dc28.pth",
    }
)


def is_published(path: Path, name: str) -> bool:
    """Whether the file is the one that torchvision publishes for the model of that name, wherever it lies."""
    return name in FILES and has_hash(path, _sha256_prefix(name))


def torchvision_weights(
    name: str, *, folder: str | Path | None = None, offline: bool = False, progress: bool = False
) -> Path:
    """The file with torchvision's ImageNet weights for the model of that name, for ``load_weights``.

    Searched in ``folder``, then in PyTorch's own download folder, else downloaded to ``folder``. Its hash is always
    verified.

    folder: default ``weights`` in ``$JAXDL_CACHE``, else in ``jaxdl`` in the user's cache folder. offline: never touch
    the network. progress: show a bar of bytes on a terminal.
    Raises UserError for a name that torchvision has no file for, for a file with another hash and for a folder that
    cannot be written; DownloadError if the file is not here and cannot be downloaded.
    """
    if name not in FILES:
        raise unknown("torchvision model", name, FILES)
    file = FILES[name]
    url = f"{BASE}{file}"
    path = (_folder() if folder is None else Path(os.path.expanduser(folder))) / file
    sha256_prefix = _sha256_prefix(name)
    for found in (path, _torch_folder() / file):
        with faults_of(found):
            if not found.is_file():
                continue
            if not has_hash(found, sha256_prefix):
                raise UserError(f"{found} is damaged: its SHA-256 does not begin with {sha256_prefix}. Remove it.")
            return found
    if offline:
        raise DownloadError(
            f"torchvision's weights for {name} are not in {path.parent} and offline forbids a download. "
            f"Fetch {url} elsewhere and put it there."
        )
    try:
        download(url, path, sha256_prefix=sha256_prefix, progress=progress)
    except DownloadError as problem:
        raise DownloadError(f"{problem}\nOr fetch {url} elsewhere and put it into {path.parent}.") from problem
    return path


def _folder() -> Path:
    return places.cache("jaxdl", variable="JAXDL_CACHE") / "weights"


def _torch_folder() -> Path:
    """Folder that ``torch.hub`` downloads into."""
    return places.cache("torch", variable="TORCH_HOME") / "hub" / "checkpoints"


def _sha256_prefix(name: str) -> str:
    return Path(FILES[name]).stem.rpartition("-")[2]
