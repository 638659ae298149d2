"""Pictures with masks from a folder, and what is told of one that is not as it should be."""

import numpy as np
import pytest
from PIL import Image

from jaxdl.data import mask_folder, mask_listing, pictures
from jaxdl.errors import UserError

NAMES = ("road", "tree", "car")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("JAXDL_CACHE", str(tmp_path / "cache"))


def put(folder, name, size=(20, 30), *, values=(0, 1, 2, 255), seed=0):
    """A picture, and a mask of the numbers in ``values``; returns both."""
    generator = np.random.default_rng(seed)
    pixels, mask = generator.integers(0, 256, (*size, 3), np.uint8), generator.choice(values, size).astype(np.uint8)
    for part, array in (("images", pixels), ("masks", mask)):
        (folder / part).mkdir(parents=True, exist_ok=True)
        Image.fromarray(array).save(folder / part / f"{name}.png")
    return pixels, mask


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "streets"
    for split in ("train", "test"):
        for name in "ab":
            put(root / split, name)
    (root / "classes.txt").write_text("\n".join(NAMES) + "\n")
    return root


def refused(root):
    with pytest.raises(UserError) as caught:
        mask_folder.load(root)
    (line,) = str(caught.value).splitlines()
    return line


def test_pictures_and_masks_are_those_of_the_files_filled_up_to_the_largest(root):
    small, large = put(root / "train", "a", (12, 40), seed=1), put(root / "test", "c", (25, 8), seed=2)
    data = mask_folder.load(root)
    assert (data.name, data.classes) == ("streets", NAMES)
    assert data.train.images.shape == (2, 25, 40, 3)
    assert data.test.labels.shape == (3, 25, 40)
    assert data.train.labels.dtype == np.uint8
    for split, row, (pixels, mask) in ((data.train, 0, small), (data.test, 2, large)):
        height, width = mask.shape
        np.testing.assert_array_equal(split.labels[row, :height, :width], mask)
        rows, columns = (
            [place if place < side else 2 * side - 1 - place for place in np.arange(length) % (2 * side)]
            for length, side in ((25, height), (40, width))
        )  # as in a mirror at each edge
        np.testing.assert_array_equal(split.images[row], pixels[rows][:, columns])
        assert split.sizes[row].tolist() == [height, width]
        assert (split.labels[row] != 255).sum() == (mask != 255).sum()
    again = mask_folder.load(root)
    assert again.fingerprint == data.fingerprint
    np.testing.assert_array_equal(again.train.labels, data.train.labels)


def test_val_validates_beside_test_and_is_tested_on_without_it(root):
    put(root / "val", "a")
    data = mask_folder.load(root)
    assert len(data.val) == 1
    assert data.held_out(val_size=1, seed=0) == (data.train, data.val)
    assert data.held_out(val_size=0, seed=0) == (data.train, None)
    (root / "test").rename(root / "elsewhere")
    alone = mask_folder.load(root)
    assert alone.val is None
    assert alone.remarks == ("there is no test/: the test split is val/",)
    np.testing.assert_array_equal(alone.test.images, data.val.images)
    assert len({alone.fingerprint, data.fingerprint, mask_folder.load(root).fingerprint}) == 2


def test_a_third_folder_to_test_on_is_told_as_not_read(root):
    put(root / "val", "a")
    put(root / "valid", "a")
    assert "not read: valid/" in mask_folder.load(root).remarks


def test_the_layout_of_pascal_voc_is_read_with_its_palette_and_names(tmp_path):
    root, generator = tmp_path / "VOC2012", np.random.default_rng(0)
    for folder in (mask_listing.VOC_IMAGES, mask_listing.VOC_MASKS, mask_listing.VOC_LISTS):
        (root / folder).mkdir(parents=True)
    masks = {name: generator.choice([0, 15, 20, 255], (18, 22)).astype(np.uint8) for name in ("2007_1", "2007_2")}
    for name in (*masks, "2007_3"):
        pixels = generator.integers(0, 256, (18, 22, 3), np.uint8)
        Image.fromarray(pixels).save(root / mask_listing.VOC_IMAGES / f"{name}.jpg")
    for name, mask in masks.items():
        picture = Image.fromarray(mask, "P")
        picture.putpalette(generator.integers(0, 256, 768, np.uint8).tolist())
        picture.save(root / mask_listing.VOC_MASKS / f"{name}.png")
    for split, name in (("train", "2007_2"), ("val", "2007_1")):
        (root / mask_listing.VOC_LISTS / f"{split}.txt").write_text(f"{name}\n")
    data = mask_folder.load(root)
    assert (len(data.classes), data.classes[15]) == (21, "person")
    np.testing.assert_array_equal(data.train.labels[0], masks["2007_2"])
    np.testing.assert_array_equal(data.test.labels[0], masks["2007_1"])

    (root / mask_listing.VOC_LISTS / "train.txt").write_text("2007_2\n2007_3\n")
    assert "train.txt has no mask: in " in refused(root)
    assert "SegmentationClass there is none of the name 2007_3." in refused(root)


def test_a_picture_turned_by_its_exif_tag_has_a_mask_as_it_is_seen(root):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (20, 30), "white").save(root / "train/images/a.png", exif=exif)
    data = mask_folder.load(root)  # 30 wide, as its mask
    assert data.train.images.shape == (2, 20, 30, 3)
    assert (data.train.images[0] == 255).all()


def of_size(root):
    Image.new("L", (30, 21)).save(root / "train/masks/a.png")


def of_colors(root):
    Image.new("RGB", (30, 20)).save(root / "train/masks/a.png")


def of_a_class_beyond(root):
    put(root / "test", "b", values=(0, 3, 9))


def of_deep_numbers(root):
    Image.fromarray(np.full((20, 30), 40_000, np.uint16)).save(root / "train/masks/a.png")


def without_mask(root):
    (root / "train/masks/b.png").unlink()


def without_picture(root):
    (root / "test/images/a.png").unlink()


def without_classes(root):
    (root / "classes.txt").unlink()


def with_a_gap(root):
    (root / "classes.txt").write_text("road\n\ncar\n")


def with_a_name_twice(root):
    (root / "classes.txt").write_text("road\ncar\nroad\n")


def with_one_class(root):
    (root / "classes.txt").write_text("road\n")


def without_test(root):
    (root / "test").rename(root / "elsewhere")


def without_layout(root):
    (root / "train").rename(root / "elsewhere")


def damaged(root):
    (root / "train/masks/a.png").write_bytes((root / "train/masks/a.png").read_bytes()[:60])


def of_two_suffixes(root):
    Image.new("RGB", (30, 20)).save(root / "train/images/a.jpg")


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (of_size, "masks/a.png is 30x21 pixels, its picture 30x20"),
        (of_colors, "masks/a.png holds colors (RGB). It must hold a class's number for each pixel"),
        (of_a_class_beyond, "masks/b.png has the class 3; "),
        (of_deep_numbers, "masks/a.png holds numbers up to "),
        (without_mask, "images/b.png has no mask: in "),
        (without_picture, "masks/a.png has no picture: in "),
        (without_classes, "classes.txt is not there. Write the names of the classes into it"),
        (with_a_gap, "line 2 of "),
        (with_a_name_twice, "names road twice"),
        (with_one_class, "names 1 class: 2 to 255 can be told"),
        (without_test, "test/images is not a folder: nothing is left to test on"),
        (without_layout, "is no dataset with masks. It must hold images/ and masks/ in train/ and in test/"),
        (damaged, "masks/a.png"),
        (of_two_suffixes, "have one name: remove one"),
    ],
)
def test_a_folder_that_is_not_as_it_should_be_costs_a_line(root, spoil, says):
    spoil(root)
    assert says in refused(root)
    assert str(root) in refused(root)


def test_more_pixels_than_memory_holds_are_refused_before_any_is_decoded(root, monkeypatch):
    monkeypatch.setattr(mask_folder, "MOST_BYTES", 1000)
    monkeypatch.setattr(pictures, "open_picture", None)
    assert "pictures of up to 30x20 pixels take" in refused(root)


def test_streamed_it_is_the_same_without_being_read(root):
    put(root / "train", "c", size=(16, 40))
    held, streamed = mask_folder.load(root), mask_folder.load(root, stream=True)
    for split in ("train", "test"):
        whole, files = getattr(held, split), getattr(streamed, split)
        assert files.images.shape == whole.images.shape
        assert files.labels.shape == whole.labels.shape
        np.testing.assert_array_equal(files.images[:], whole.images)
        np.testing.assert_array_equal(np.asarray(files.labels), whole.labels)
        assert files.files == whole.files
    rows = np.array([2, 0])
    np.testing.assert_array_equal(streamed.train.take(rows).images[0], held.train.images[2])
    np.testing.assert_array_equal(streamed.train.labels[1], held.train.labels[1])
    assert mask_folder.decoded_bytes(root) == sum(each.nbytes for split in (held.train, held.test)
                                                  for each in (split.images, split.labels))  # fmt: skip
    put(root / "train", "a", values=(0, 7))
    with pytest.raises(UserError, match="has the class 7"):
        streamed.train.labels[:]
    assert mask_folder.load(root, stream=True).fingerprint != streamed.fingerprint
