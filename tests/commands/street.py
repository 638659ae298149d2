"""A small dataset with masks, of shapes that colour tells, and a short run on it."""

import numpy as np
from PIL import Image

CLASSES = ("ground", "disc", "bar")
SIZE = (36, 52)  # no multiples of what networks divide by
COLORS = np.array([(70, 90, 110), (220, 60, 50), (40, 200, 90)])
SHORT = ["--recipe", "small", "--model", "unet", "--width", "8", "--crop-size", "32x40", "--batch-size", "6",
         "--epochs", "10", "--lr", "0.01", "--warmup-epochs", "0", "--no-report"]  # 4 steps an epoch  # fmt: skip
STEPS = 40


def drawn(generator):
    """A picture, uint8[*SIZE, 3], and its mask; a few pixels have no class."""
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    mask = np.zeros(SIZE, np.uint8)
    down, right = generator.integers(8, SIZE[0] - 8), generator.integers(8, SIZE[1] - 8)
    mask[(rows - down) ** 2 + (columns - right) ** 2 < 49] = 1
    first = generator.integers(0, SIZE[1] - 8)
    mask[:, first : first + 6] = 2
    pixels = COLORS[mask] + generator.integers(-25, 26, (*SIZE, 3))
    mask[generator.random(SIZE) < 0.02] = 255
    return pixels.clip(0, 255).astype(np.uint8), mask


def write(root, **splits):
    """The dataset in the folder ``root``; splits: how many pictures of each."""
    generator = np.random.default_rng(0)
    for split, count in splits.items():
        for name in ("images", "masks"):
            (root / split / name).mkdir(parents=True)
        for number in range(count):
            pixels, mask = drawn(generator)
            Image.fromarray(pixels).save(root / split / "images" / f"{number:02}.png")
            Image.fromarray(mask).save(root / split / "masks" / f"{number:02}.png")
    (root / "classes.txt").write_text("\n".join(CLASSES))
    return root
