"""A dataset for object detection or instance segmentation from a folder, as PASCAL VOC, COCO or YOLO lay it out."""

import hashlib
import os
from pathlib import Path

import numpy as np
from tqdm import tqdm

from jaxdl.data import cache, decoding, pictures
from jaxdl.data.dataset import Dataset, Split, fingerprint_of
from jaxdl.data.detection.labelled import Labelled, Listing
from jaxdl.data.detection.listing import listing
from jaxdl.data.detection.padded import PaddedObjects
from jaxdl.data.mask_streaming import Decoded
from jaxdl.errors import UserError
from jaxdl.wording import printable

MOST_BYTES = 2**34  # of decoded pictures


def load(root: str | os.PathLike[str], *, stream: bool = False, progress: bool = False, one: bool = False) -> Dataset:
    """The dataset: images uint8[N, H, W, 3], and ``PaddedObjects`` in the place of labels.

    H and W are the largest of all pictures: smaller ones lie in the upper left, and the rest is 0. Decoded pixels are
    kept in a cache for the next start.
    stream: leave pictures in their files until they are indexed; the fingerprint is then over the files' names, their
    sizes in bytes, the objects and the classes.
    one: as of ``listing``.
    Raises UserError as ``listing`` does, for pictures that cannot be read, and for more pixels than memory is likely
    to hold.
    """
    root = Path(os.path.expanduser(root))
    listed = listing(root, one=one)
    every = _every(listed)
    size = _largest(every)
    if stream:
        images = {
            split: Decoded([(each.picture,) for each in several], (*size, 3), _picture, 0)
            for split, several in listed.splits.items()
        }
    else:
        files = [each.picture for each in every]
        key = cache.key_of("pictures with boxes", files, tuple(map(len, listed.splits.values())))
        images, _ = cache.arrays(key, lambda: (_decoded(listed, size, progress=progress), {}))
    most = max(1, *(len(each.objects) for each in every))
    splits = {
        split: Split(
            images[split],
            PaddedObjects(
                objects=tuple(each.objects for each in several),
                most=most,
                masks=listed.masks,
                size=size,
                sizes=np.array([each.size for each in several], np.int32),
                image_ids=tuple(each.image_id for each in several),
                category_ids=listed.category_ids,
            ),
            np.array([os.fsencode(each.picture.relative_to(root)) for each in several]),
            np.array([each.size for each in several], np.int32),
        )
        for split, several in listed.splits.items()
    }
    what = "masks" if listed.masks else "boxes"
    source = f"pictures with {what} in {printable(str(root.resolve()))}, filled up to {size[1]}x{size[0]}"
    return Dataset(
        name=root.resolve().name,
        **splits,
        classes=listed.classes,
        source=f"{source}, read as they are needed" if stream else source,
        fingerprint=_streamed_fingerprint(listed, root, size) if stream else _fingerprint(listed, images),
        remarks=tuple(listed.remarks),
    )


def decoded_bytes(root: str | os.PathLike[str]) -> int:
    """The memory that the pictures of ``load`` take without streaming; opens their headers alone."""
    every = _every(listing(Path(os.path.expanduser(root))))
    height, width = _largest(every)
    return len(every) * height * width * 3


def _every(listed: Listing) -> list[Labelled]:
    return [each for several in listed.splits.values() for each in several]


def _largest(every: list[Labelled]) -> tuple[int, int]:
    height, width = np.array([each.size for each in every]).max(0).tolist()
    return height, width


def _picture(files: tuple[Path]) -> np.ndarray:
    return pictures.open_picture(files[0], None, most_pixels=decoding.MOST_PIXELS)


def _decoded(listed: Listing, size: tuple[int, int], *, progress: bool) -> dict[str, np.ndarray]:
    """Split -> uint8[N, H, W, 3]."""
    every = _every(listed)
    needed = len(every) * size[0] * size[1] * 3
    if needed > MOST_BYTES:
        raise UserError(
            f"{len(every):,} pictures of up to {size[1]}x{size[0]} pixels take {needed / 2**30:,.0f} GiB, more than "
            f"{MOST_BYTES / 2**30:.0f}. Make them smaller, or stream them."
        )
    images = np.zeros((len(every), *size, 3), np.uint8)

    def decode(row: int) -> None:
        pixels = _picture((every[row].picture,))
        height, width = pixels.shape[:2]
        if (height, width) != every[row].size:
            raise UserError(f"the picture {printable(str(every[row].picture))} has just changed.")
        images[row, :height, :width] = pixels

    with tqdm(total=len(every), desc="reading pictures", unit="img", disable=None if progress else True) as bar:
        refused, _ = decoding.refused_of(decode, len(every), on_pictures=bar.update)
    if refused:
        raise decoding.UnreadableError.of(refused)
    stored, first = {}, 0
    for split, several in listed.splits.items():
        stored[split] = images[first : (first := first + len(several))]
    return stored


def _fingerprint(listed: Listing, images: dict[str, np.ndarray]) -> str:
    stored: dict[str, np.ndarray] = {}
    for split, several in listed.splits.items():
        digest = hashlib.sha256(repr(listed.classes).encode())
        for each in several:
            _update(digest, each)
        stored |= {f"{split}_images": images[split], f"{split}_labels": np.frombuffer(digest.digest(), np.uint8)}
    return fingerprint_of(stored)


def _streamed_fingerprint(listed: Listing, root: Path, size: tuple[int, int]) -> str:
    digest = hashlib.sha256(repr(("streamed boxes", size, listed.classes)).encode())
    for split, several in listed.splits.items():
        for each in several:
            name = os.fsencode(each.picture.relative_to(root))
            digest.update(b"%s\0%s\0%d\n" % (split.encode(), name, each.picture.stat().st_size))
            _update(digest, each)
    return digest.hexdigest()


def _update(digest: "hashlib._Hash", each: Labelled) -> None:
    """Takes a picture's size and objects into ``digest``."""
    these = each.objects
    arrays, masks = (these.boxes, these.classes, these.crowd, these.difficult, these.areas), these.masks
    digest.update(repr((each.size, len(each.objects), masks is not None)).encode())
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    for code in masks or ():
        digest.update(b"%s\n" % code["counts"])
