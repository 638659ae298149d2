"""Small datasets of each format, written by a test."""

import json

import numpy as np
import pytest
from PIL import Image

from jaxdl.data.detection.listing import listing
from jaxdl.errors import UserError

SIZE = (40, 60)  # height and width of a picture
CAT, DOG = ("cat", (5, 6, 25, 36)), ("dog", (10.5, 2, 50, 39))


def picture(path, size=SIZE, *, seed=0, **options):
    """A picture of noise; returns its pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    Image.fromarray(pixels).save(path, **options)
    return pixels


def xml(objects, size=SIZE):
    """An annotation of VOC. objects: (name, box) or (name, box, difficult)."""
    height, width = size
    parts = [f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"]
    for name, box, *difficult in objects:
        sides = "".join(f"<{side}>{value}</{side}>" for side, value in zip(VOC_SIDES, box, strict=True))
        parts.append(
            f"<object><name>{name}</name><difficult>{int(any(difficult))}</difficult><bndbox>{sides}</bndbox></object>"
        )
    return f"<annotation>{''.join(parts)}</annotation>"


VOC_SIDES = ("xmin", "ymin", "xmax", "ymax")


def voc(root, splits=None):
    """A dataset as VOC. splits: split -> stem -> objects."""
    splits = splits or {"train": {"a": [CAT, DOG], "b": [CAT]}, "test": {"c": [DOG]}}
    for folder in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for split, sheets in splits.items():
        (root / f"ImageSets/Main/{split}.txt").write_text("".join(f"{stem}\n" for stem in sheets))
        for stem, objects in sheets.items():
            picture(root / f"JPEGImages/{stem}.png")
            (root / f"Annotations/{stem}.xml").write_text(xml(objects))
    return root


SQUARE = [[5, 5, 25, 5, 25, 25, 5, 25]]


def annotation(number, image=1, category=1, box=(5, 5, 20, 20), **more):
    """An annotation of COCO."""
    return {"id": number, "image_id": image, "category_id": category, "bbox": list(box), "iscrowd": 0} | more


def content(count=2, annotations=None, **more):
    """A file of COCO: so many pictures, a.png and so on, and two categories, 1 and 7."""
    images = [
        {"id": number + 1, "file_name": f"{'abcdefgh'[number]}.png", "height": SIZE[0], "width": SIZE[1]}
        for number in range(count)
    ]
    return {
        "images": images,
        "annotations": [annotation(1), annotation(2, 1, 7, area=123.0)] if annotations is None else annotations,
        "categories": [{"id": 7, "name": "dog"}, {"id": 1, "name": "cat"}],
    } | more


def coco(root, train=None, test=None, *, raw=None):
    """A dataset as COCO. train, test: the contents of the files; raw: text in the place of train's."""
    for split, each in (("train", train or content()), ("val", test or content(1, []))):
        path = root / f"annotations/instances_{split}2017.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(raw if raw is not None and split == "train" else json.dumps(each))
        for letter in "ab":
            if not (root / f"{split}2017/{letter}.png").exists():
                picture(root / f"{split}2017/{letter}.png")
    return root


def yolo(root, labels=None, names="names: [cat, dog]\n"):
    """A dataset as YOLO. labels: path below ``labels`` -> text."""
    for split, stem in (("train", "a"), ("train", "b"), ("test", "c")):
        picture(root / f"images/{split}/{stem}.png")
        (root / f"labels/{split}").mkdir(parents=True, exist_ok=True)
    labels = labels or {"train/a": "0 0.5 0.5 0.5 0.25\n1 0.25 0.25 0.1 0.1\n", "test/c": "1 0.5 0.5 1 1\n"}
    for place, text in labels.items():
        (root / f"labels/{place}.txt").write_text(text)
    (root / "data.yaml").write_text(names)
    return root


def refused(root):
    """The line by which the dataset is refused."""
    with pytest.raises(UserError) as caught:
        listing(root)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 900
    return str(caught.value)


def told(root):
    """What is told of a dataset that is read, but for a split."""
    return [remark for remark in listing(root).remarks if "test split" not in remark and "no object of" not in remark]
