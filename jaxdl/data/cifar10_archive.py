"""CIFAR-10 from its published binary archive, without TensorFlow: the arrays that TFDS makes of it, in its order."""

import hashlib
import tarfile
from pathlib import Path

import numpy as np

from jaxdl.errors import UserError
from jaxdl.wording import brief

NAME = "cifar-10-binary.tar.gz"
URL = f"https://www.cs.toronto.edu/~kriz/{NAME}"
SHA256 = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
FOLDER = "cifar-10-batches-bin"
FILES = {"train": [f"data_batch_{number}.bin" for number in range(1, 6)], "test": ["test_batch.bin"]}
IMAGES = 10_000  # of a file
RECORD = 1 + 3 * 32 * 32  # bytes: a label, then the red, the green and the blue plane


def read(path: Path) -> dict[str, np.ndarray]:
    """``train_images: uint8[50000, 32, 32, 3]``, ``train_labels: int32[50000]``, and those of ``test``.

    Raises UserError, naming the file, where it is not that archive.
    """
    try:
        with tarfile.open(path) as archive:
            return {
                name: array
                for split, names in FILES.items()
                for name, array in _arrays(split, [_content(archive, name) for name in names]).items()
            }
    except (OSError, EOFError, KeyError, ValueError, tarfile.TarError) as error:
        raise UserError(
            f"{path} is not the published archive of CIFAR-10 ({brief(error)}). Remove it to have it anew."
        ) from error


def tfds_order(split: str, examples: int) -> np.ndarray:
    """int64[examples]: the published numbers of the examples in the order of TFDS, which sorts by their hashes."""
    salted = hashlib.md5(split.encode(), usedforsecurity=False)

    def key(number: int) -> bytes:
        digest = salted.copy()
        digest.update(str(number).encode())
        return digest.digest()

    return np.array(sorted(range(examples), key=key))


def _content(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(f"{FOLDER}/{name}")
    content = file.read(IMAGES * RECORD + 1) if file else b""
    if len(content) != IMAGES * RECORD:
        raise ValueError(f"{name} has not {IMAGES * RECORD:,} bytes")
    return content


def _arrays(split: str, contents: list[bytes]) -> dict[str, np.ndarray]:
    records = np.concatenate([np.frombuffer(content, np.uint8).reshape(-1, RECORD) for content in contents])
    records = records[tfds_order(split, len(records))]
    if records[:, 0].max() > 9:
        raise ValueError(f"a label of {split} is {records[:, 0].max()}")
    images = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return {f"{split}_images": np.ascontiguousarray(images), f"{split}_labels": records[:, 0].astype(np.int32)}
