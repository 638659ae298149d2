"""A dataset for segmentation from a folder: pictures, and a mask of the same name for each.

Either ``root/train/images/*``, ``root/train/masks/*`` and so for ``test`` and, if there is one, ``val``, with the names
of the classes in ``root/classes.txt``; or as in PASCAL VOC: ``JPEGImages``, ``SegmentationClass`` and
``ImageSets/Segmentation``.
"""

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from jaxdl.data import cache, decoding, pictures
from jaxdl.data.dataset import Dataset, Split, fingerprint_of
from jaxdl.data.framing import with_shorter
from jaxdl.data.mask_listing import CLASSES, IMAGES, MASKS, Listing, Pair, listing, names_in, pairs_in
from jaxdl.data.mask_streaming import Decoded, mirrored
from jaxdl.errors import UserError
from jaxdl.masks import IGNORED
from jaxdl.wording import printable

MOST_BYTES = 2**34  # of decoded pictures and masks


def load(root: str | os.PathLike[str], *, stream: bool = False, progress: bool = False) -> Dataset:
    """The dataset: images uint8[N, H, W, 3], and masks uint8[N, H, W] in the place of labels.

    A mask is a picture of the same size that holds a class's number for each pixel, as levels of gray or in a palette;
    255 is no class. H and W are the largest of all pictures: smaller ones are filled up, below and to the right, with
    what a mirror there would show, and their masks with 255. Decoded pixels are kept in a cache for the next start.
    stream: leave pictures and masks in their files until they are indexed; the fingerprint is then over the files'
    names, their sizes in bytes and the classes.
    Raises UserError for a folder of another layout, pictures without a mask and masks without a picture, a mask of
    another size, of colors or with a class that has no name, and for more pixels than memory is likely to hold.
    """
    root = Path(os.path.expanduser(root))
    listed = listing(root)
    if stream:
        return _streamed(root, listed)
    files = [path for pairs in listed.splits.values() for pair in pairs for path in pair]
    counts = tuple(map(len, listed.splits.values()))
    key = cache.key_of("mirrored masks with sizes", files, len(listed.classes), counts)
    stored, _ = cache.arrays(key, lambda: (_decoded(listed, progress=progress), {}))
    height, width = stored["train_images"].shape[1:3]
    return Dataset.of(
        root.resolve().name,
        stored,
        names={split: _names_of(pairs, root) for split, pairs in listed.splits.items()},
        classes=listed.classes,
        source=_source(root, height, width),
        fingerprint=fingerprint_of(stored),
        remarks=tuple(listed.remarks),
    )


def decoded_bytes(root: str | os.PathLike[str]) -> int:
    """The memory that ``load`` takes without streaming; opens the pictures' headers alone."""
    every = _every(listing(Path(os.path.expanduser(root))))
    height, width = _sizes(every).max(0).tolist()
    return len(every) * height * width * 4


def labelled(
    root: Path, classes: Sequence[str], *, shorter: int | None = None, progress: bool = False
) -> tuple[Split, list[str]]:
    """The pictures in ``root/images`` and their masks in ``root/masks``, of those classes, and what was left out.

    shorter: pixels to which the shorter side of each is brought, of a mask by the nearest; as they are if None.
    Raises UserError as ``load`` does.
    """
    remarks: list[str] = []
    if not all((root / name).is_dir() for name in (IMAGES, MASKS)):
        raise UserError(f"{printable(str(root))} holds no pictures with masks: it must have {IMAGES}/ and {MASKS}/.")
    pairs = pairs_in(root, remarks)
    listed = Listing(tuple(classes), "the network", {"test": pairs}, remarks)
    stored = _decoded(listed, shorter=shorter, progress=progress)
    return Split(stored["test_images"], stored["test_labels"], _names_of(pairs, root), stored["test_sizes"]), remarks


def classes_of(root: Path) -> tuple[Path, tuple[str, ...]] | None:
    """The file that names the classes of a folder with ``images`` and ``masks``, in it or beside it, and the names.

    None where there is none. Raises UserError where it cannot be read.
    """
    places = (root / CLASSES, root.resolve().parent / CLASSES)
    return next(((path, names_in(path)) for path in places if path.is_file()), None)


def check_labelled(splits: Mapping[str, Split]) -> None:
    """Raises UserError where no pixel of a split, by name, has a class; decodes streamed masks up to the first."""
    for name, split in splits.items():
        if not any((mask != IGNORED).any() for mask in split.labels):
            raise UserError(f"no pixel of the masks in {name} has a class: all are {IGNORED}, which counts nowhere.")


def _streamed(root: Path, listed: Listing) -> Dataset:
    sizes = _sizes(_every(listed))
    height, width = sizes.max(0).tolist()
    kind = "streamed masks" if (sizes == (height, width)).all() else "streamed masks, mirrored pictures"
    digest = hashlib.sha256(repr((kind, height, width, listed.classes)).encode())
    splits, first = {}, 0
    for split, pairs in listed.splits.items():
        rows = slice(first, first := first + len(pairs))
        for pair in pairs:
            for path in pair:
                name = os.fsencode(path.relative_to(root))
                digest.update(b"%s\0%s\0%d\n" % (split.encode(), name, path.stat().st_size))
        splits[split] = Split(
            Decoded(pairs, (height, width, 3), _picture, None),
            Decoded(pairs, (height, width), partial(_mask_of, listed=listed), IGNORED),
            _names_of(pairs, root),
            sizes[rows],
        )
    return Dataset(
        name=root.resolve().name,
        **splits,
        classes=listed.classes,
        source=f"{_source(root, height, width)}, read as they are needed",
        fingerprint=digest.hexdigest(),
        remarks=tuple(listed.remarks),
    )


def _source(root: Path, height: int, width: int) -> str:
    return f"pictures and masks in {printable(str(root.resolve()))}, filled up to {width}x{height}"


def _every(listed: Listing) -> list[Pair]:
    return [pair for pairs in listed.splits.values() for pair in pairs]


def _sizes(pairs: Sequence[Pair], shorter: int | None = None) -> np.ndarray:
    """int32[N, 2], (height, width) of each picture, the shorter brought to so many pixels; opens the headers alone."""
    sizes = np.zeros((len(pairs), 2), np.int32)

    def measure(row: int) -> None:
        size = pictures.size_of(pairs[row].picture, most_pixels=decoding.MOST_PIXELS)
        sizes[row] = with_shorter(shorter, *size) if shorter else size

    _each(measure, len(pairs))
    return sizes


def _names_of(pairs: Sequence[Pair], root: Path) -> np.ndarray:
    return np.array([os.fsencode(pair.picture.relative_to(root)) for pair in pairs])


def _decoded(listed: Listing, *, shorter: int | None = None, progress: bool) -> dict[str, np.ndarray]:
    every = _every(listed)
    sizes = _sizes(every, shorter)
    height, width = sizes.max(0).tolist()
    needed = len(every) * height * width * 4
    if needed > MOST_BYTES:
        raise UserError(
            f"{len(every):,} pictures of up to {width}x{height} pixels take {needed / 2**30:,.0f} GiB with their "
            f"masks, more than {MOST_BYTES / 2**30:.0f}. Make them smaller, or stream them."
        )
    images, masks = (
        np.empty((len(every), height, width, 3), np.uint8),
        np.full((len(every), height, width), IGNORED, np.uint8),
    )

    def decode(row: int) -> None:
        pixels = _picture(every[row])
        mask = _mask(every[row], pixels.shape[:2], listed)
        if shorter:
            size = tuple(sizes[row].tolist())
            pixels, mask = pictures.resized(pixels, size), pictures.resized(mask, size, "nearest")
        images[row] = mirrored(pixels, (height, width))
        masks[row, : mask.shape[0], : mask.shape[1]] = mask

    with tqdm(total=len(every), desc="reading pictures", unit="img", disable=None if progress else True) as bar:
        _each(decode, len(every), on_pictures=bar.update)
    stored, first = {}, 0
    for split, pairs in listed.splits.items():
        rows = slice(first, first := first + len(pairs))
        stored |= {f"{split}_images": images[rows], f"{split}_labels": masks[rows], f"{split}_sizes": sizes[rows]}
    return stored


def _picture(pair: Pair) -> np.ndarray:
    return pictures.open_picture(pair.picture, None, most_pixels=decoding.MOST_PIXELS)


def _mask_of(pair: Pair, *, listed: Listing) -> np.ndarray:
    return _mask(pair, pictures.size_of(pair.picture, most_pixels=decoding.MOST_PIXELS), listed)


def _mask(pair: Pair, size: tuple[int, int], listed: Listing) -> np.ndarray:
    mask = pictures.open_mask(pair.mask, most_pixels=decoding.MOST_PIXELS)
    name = f"the mask {printable(str(pair.mask))}"
    if mask.shape != size:
        raise UserError(
            f"{name} is {mask.shape[1]}x{mask.shape[0]} pixels, its picture {size[1]}x{size[0]}: they must be the same."
        )
    beyond = np.unique(mask[(mask >= len(listed.classes)) & (mask != IGNORED)])
    if beyond.size:
        raise UserError(
            f"{name} has the class {beyond[0]}; {printable(listed.named_by)} names {len(listed.classes)}, from 0 to "
            f"{len(listed.classes) - 1}."
        )
    return mask


def _each(do: Callable[[int], object], count: int, **options: Callable[[int], object]) -> None:
    refused: Sequence[UserError]
    refused, _ = decoding.refused_of(do, count, **options)
    if refused:
        raise decoding.UnreadableError.of(refused)
