"""A small dataset for detection, of coloured rectangles in PASCAL VOC's layout, and flags of a short run on it."""

import numpy as np
from PIL import Image

CLASSES = ("bar", "block")
SIZE = (60, 80)
COLORS = {"bar": (220, 60, 50), "block": (40, 190, 90)}
SHAPES = {"bar": (12, 36), "block": (26, 24)}
SHORT = ["--model", "retinanet", "--backbone", "mobilenet_v3_small", "--min-size", "64", "--max-size", "64",
         "--batch-size", "2", "--epochs", "1", "--steps", "2"]  # fmt: skip


def drawn(generator):
    """A picture, uint8[*SIZE, 3], and its objects: (name, (x1, y1, x2, y2)) of each."""
    pixels = np.full((*SIZE, 3), 120) + generator.integers(-20, 21, (*SIZE, 3))
    objects = []
    for name in CLASSES:
        height, width = SHAPES[name]
        y, x = generator.integers(0, SIZE[0] - height), generator.integers(0, SIZE[1] - width)
        pixels[y : y + height, x : x + width] = COLORS[name]
        objects.append((name, (int(x), int(y), int(x) + width, int(y) + height)))
    return pixels.clip(0, 255).astype(np.uint8), objects


def write(root, **splits):
    """The dataset in the folder ``root``; splits: how many pictures of each."""
    generator = np.random.default_rng(0)
    for folder in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (root / folder).mkdir(parents=True)
    for split, count in splits.items():
        names = [f"{split}{number:02}" for number in range(count)]
        (root / "ImageSets/Main" / f"{split}.txt").write_text("\n".join(names))
        for name in names:
            pixels, objects = drawn(generator)
            Image.fromarray(pixels).save(root / "JPEGImages" / f"{name}.png")
            (root / "Annotations" / f"{name}.xml").write_text(_sheet(objects))
    (root / "classes.txt").write_text("\n".join(CLASSES))
    return root


def _sheet(objects):
    sides = ("xmin", "ymin", "xmax", "ymax")
    boxes = (
        f"<object><name>{name}</name><difficult>0</difficult><bndbox>"
        + "".join(f"<{side}>{value}</{side}>" for side, value in zip(sides, box, strict=True))
        + "</bndbox></object>"
        for name, box in objects
    )
    size = f"<size><width>{SIZE[1]}</width><height>{SIZE[0]}</height><depth>3</depth></size>"
    return f"<annotation>{size}{''.join(boxes)}</annotation>"
