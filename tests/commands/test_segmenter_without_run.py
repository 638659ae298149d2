"""A segmenter's weights used without a run: predicted, evaluated, exported, summed up."""

import json

import jax
import numpy as np
import pytest
from PIL import Image

from jaxdl import models, saved_model
from jaxdl.commands import evaluate, export, predict, summary
from jaxdl.commands.demo_page.application import Demo
from jaxdl.data.dataset import Split
from jaxdl.data.mask_listing import VOC_CLASSES
from jaxdl.data.pictures import open_mask
from jaxdl.run import preprocessing
from jaxdl.run.chosen import NetworkOptions
from jaxdl.run.segmentation.segmented import Segmented, _by_size
from tests import pytorch
from tests.commands import street


@pytest.fixture(scope="module")
def streets(tmp_path_factory):
    return street.write(tmp_path_factory.mktemp("streets"), test=3)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder with a saved network, random but for its norms, whose pixels are in [0, 1]."""
    model = models.create("unet", width=4, depth=2, num_classes=3)
    variables = model.init(jax.random.key(0), np.zeros((1, 32, 32, 3), np.float32), train=False)
    out = tmp_path_factory.mktemp("saved") / "network"
    about = {"classes": list(street.CLASSES), "mean": [0.0], "std": [1.0]}
    saved_model.save_model(out, model, variables, image=(*street.SIZE, 3), about=about)
    return out


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    """torchvision's LR-ASPP of four classes, each of which wins somewhere in noise, and its file."""
    torch, torchvision = pytorch.torch(), pytorch.torchvision()
    torch.manual_seed(0)
    network = torchvision.models.segmentation.lraspp_mobilenet_v3_large(
        weights=None, weights_backbone=None, num_classes=4
    )
    noise = torch.rand(4, 3, 96, 128).round(decimals=1)
    with torch.no_grad():
        for _ in range(30):
            network(noise)  # for its running statistics
        logits = network.eval()(noise)["out"]
        network.classifier.low_classifier.bias -= logits.mean((0, 2, 3))
    path = tmp_path_factory.mktemp("weights") / "lraspp.pth"
    torch.save(network.state_dict(), path)
    return network, path


def masks_in(out):
    return [open_mask(path) for path in sorted(out.glob("*-mask.png"))]


def test_masks_of_a_picture_resized_are_torchvisions(theirs, tmp_path):
    torch, torchvision = pytorch.torch(), pytorch.torchvision()
    network, path = theirs
    pixels = np.random.default_rng(0).integers(0, 256, (9, 13, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    picture, out = tmp_path / "picture.png", tmp_path / "out"
    Image.fromarray(pixels).save(picture)
    flags = ["--model", "lraspp_mobilenet_v3_large", "--pretrained", str(path), "--resize", "100", "--out", str(out)]
    assert predict.main([*flags, str(picture)]) == 0
    transform = torchvision.transforms._presets.SemanticSegmentation(resize_size=100)
    with torch.no_grad():
        logits = network(transform(Image.fromarray(pixels))[None])["out"]
    small = Image.fromarray(logits[0].argmax(0).numpy().astype(np.uint8))
    expected = np.asarray(small.resize((pixels.shape[1], pixels.shape[0]), Image.Resampling.NEAREST))
    assert len(np.unique(expected)) > 1
    [found] = masks_in(out)
    assert (found == expected).mean() > 0.999


def test_published_weights_are_of_voc_on_a_shorter_side_of_520():
    found = preprocessing.of_weights("torchvision", "deeplabv3_resnet50")
    assert (found.framing.resize, found.classes, found.assumed) == (520, VOC_CLASSES, False)
    weights = pytorch.torchvision().models.segmentation.DeepLabV3_ResNet50_Weights.DEFAULT
    assert [name.strip("_") for name in weights.meta["categories"]] == list(found.classes)
    assert weights.transforms().resize_size == [520]
    assert tuple(weights.transforms().mean) == found.mean


def test_a_saved_network_tells_all_that_is_needed(saved, streets, tmp_path, capsys):
    pictures = sorted((streets / "test" / "images").iterdir())
    assert predict.main(["--pretrained", str(saved), *map(str, pictures), "--out", str(tmp_path / "a"), "--json"]) == 0
    answers = json.loads(capsys.readouterr().out)
    assert {each["class"] for answer in answers for each in answer["predictions"]} <= set(street.CLASSES)
    held = saved_model.load_model(saved)
    for picture, mask in zip(pictures, masks_in(tmp_path / "a"), strict=True):
        pixels = np.asarray(Image.open(picture))[None] / np.float32(255)
        logits = held.model.apply(held.variables, pixels, train=False)
        np.testing.assert_array_equal(mask, np.asarray(logits)[0].argmax(-1))


def test_exported_again_it_is_the_same_network(saved, streets, tmp_path):
    out = tmp_path / "again"
    assert export.main(["--pretrained", str(saved), "--platforms", "cpu", "--out", str(out)]) == 0
    before, after = saved_model.load_model(saved), saved_model.load_model(out)
    jax.tree.map(np.testing.assert_array_equal, before.variables, after.variables)
    assert after.about["classes"] == list(street.CLASSES)
    serve = jax.export.deserialize((out / "model.jaxexport").read_bytes())
    pixels = np.asarray(Image.open(sorted((streets / "test" / "images").iterdir())[0]))
    expected = Segmented(NetworkOptions(pretrained=str(out)).load()).mask(pixels)
    np.testing.assert_array_equal(np.asarray(serve.call(pixels[None]))[0].argmax(-1), expected)


def test_its_figures_are_those_of_its_masks(saved, streets, tmp_path):
    flags = ["--pretrained", str(saved), "--pictures", str(streets / "test"), "--out", str(tmp_path / "found")]
    assert evaluate.main(flags) == 0
    figures = json.loads((tmp_path / "found" / "evaluation.json").read_text())
    segmented, right, labelled = Segmented(NetworkOptions(pretrained=str(saved)).load()), 0, 0
    for picture in (streets / "test" / "images").iterdir():
        mask, truth = segmented.mask(np.asarray(Image.open(picture))), open_mask(streets / "test/masks" / picture.name)
        right, labelled = right + (mask == truth).sum(), labelled + (truth != 255).sum()
    assert figures["accuracy"] == pytest.approx(right / labelled)


def test_masks_are_evaluated_at_the_size_that_is_looked_at(saved, streets, tmp_path):
    flags = ["--pretrained", str(saved), "--pictures", str(streets / "test"), "--resize", "24"]
    assert evaluate.main([*flags, "--out", str(tmp_path / "found")]) == 0
    confusion = json.loads((tmp_path / "found" / "evaluation.json").read_text())["confusion"]
    masks = [Image.open(path) for path in (streets / "test" / "masks").iterdir()]
    small = [np.asarray(mask.resize((34, 24), Image.Resampling.NEAREST)) for mask in masks]
    assert np.sum(confusion) == sum((mask != 255).sum() for mask in small)


def test_the_demo_shows_it(saved):
    run = NetworkOptions(pretrained=str(saved)).load()
    page = Demo(run, top=3, hosts=("localhost:1",))._page
    assert "unet" in page
    assert street.CLASSES[1] in page


def test_other_classes_than_the_folder_names_are_refused(saved, streets, tmp_path, capsys):
    names = tmp_path / "names.txt"
    names.write_text("sky\nroad\ntree\n")
    flags = ["--pretrained", str(saved), "--pictures", str(streets / "test"), "--classes", str(names)]
    assert evaluate.main([*flags, "--out", str(tmp_path / "found")]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.endswith(
        f"{streets / 'classes.txt'} names other classes (ground, disc, bar) than the network has (sky, road, tree). "
        "With a network without a run, --classes FILE names its own."
    )
    assert not (tmp_path / "found").exists()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--model", "unet", "--stem", "cifar"], "--stem is not for unet: leave it out."),
        (["--model", "unet", "--backbone", "resnet18"], "--backbone is not for unet: leave it out."),
        (["--model", "resnet18", "--width", "8"], "--width is not for resnet18: leave it out."),
        (["--model", "unet"], "nothing tells how the weights saw their pixels: give --normalize imagenet, none or"),
        (["--model", "lraspp_mobilenet_v3_large", "--backbone", "vit_b_16"], "gives tokens, not maps: it is no"),
    ],
)
def test_a_mistake_costs_a_line_and_status_2(theirs, streets, capsys, flags, words):
    picture = str(next((streets / "test" / "images").iterdir()))
    assert predict.main([*flags, "--pretrained", str(theirs[1]), picture]) == 2
    said = capsys.readouterr().err.splitlines()
    assert words in said[-1]


def test_torchvision_publishes_none_of_one_with_a_backbone_of_choice(capsys):
    assert predict.main(["--model", "lraspp", "--pretrained", "torchvision", "x.png"]) == 2
    assert "torchvision publishes no weights for lraspp" in capsys.readouterr().err


def test_a_classifiers_weights_say_nothing_of_pixels_classes(streets, tmp_path, capsys):
    torch, torchvision = pytorch.torch(), pytorch.torchvision()
    path = tmp_path / "resnet18.pth"
    torch.save(torchvision.models.resnet18().state_dict(), path)
    picture = str(next((streets / "test" / "images").iterdir()))
    flags = ["--model", "fcn", "--backbone", "resnet18", "--pretrained", str(path), picture]
    assert predict.main(flags) == 2
    said = capsys.readouterr().err
    assert (
        "is of another network than fcn. These are the weights of resnet18, a classifier: --model resnet18, or" in said
    )


@pytest.mark.parametrize(("name", "billions"), [("lraspp_mobilenet_v3_large", 2.086), ("unet", None)])
def test_a_summary_counts_what_torchvision_publishes(name, billions, capsys):
    assert (
        summary.main([name, *([] if billions else ["--width", "4", "--image-size", "32", "--num-classes", "3"])]) == 0
    )
    said = capsys.readouterr().out
    if billions:
        weights = pytorch.torchvision().models.segmentation.LRASPP_MobileNet_V3_Large_Weights.DEFAULT
        assert billions == weights.meta["_ops"]
        assert f"{weights.meta['num_params']:,} parameters; {billions:.3f} billion multiply-adds" in said
    else:
        assert said.startswith("unet, 3 classes, one image of 32 x 32 pixels")


def test_pictures_of_several_sizes_are_evaluated_as_predict_sees_them(theirs, tmp_path):
    root, sizes = tmp_path / "several", [(72, 104), (41, 57), (72, 104), (96, 33)]
    for name in ("images", "masks"):
        (root / name).mkdir(parents=True)
    for number, size in enumerate(sizes):
        pixels = np.random.default_rng(number).integers(0, 256, (*size, 3), np.uint8)
        Image.fromarray(pixels).save(root / "images" / f"{number}.png")
    flags = ["--model", "lraspp_mobilenet_v3_large", "--pretrained", str(theirs[1])]
    assert predict.main([*flags, str(root / "images"), "--out", str(tmp_path / "masks")]) == 0
    for number, mask in enumerate(masks_in(tmp_path / "masks")):
        Image.fromarray(mask).save(root / "masks" / f"{number}.png")
    assert evaluate.main([*flags, "--pictures", str(root), "--out", str(tmp_path / "found")]) == 0
    figures = json.loads((tmp_path / "found" / "evaluation.json").read_text())
    assert figures["accuracy"] == figures["mean_iou"] == 1
    assert np.sum(figures["confusion"]) == sum(height * width for height, width in sizes)


def test_of_very_many_sizes_few_are_compiled(saved, tmp_path):
    rng = np.random.default_rng(0)
    sizes = np.array([(20 + number, 40 + 3 * number) for number in range(40)], np.int32)
    split = Split(rng.integers(0, 256, (40, 64, 160, 3), np.uint8), np.zeros((40, 64, 160), np.uint8), None, sizes)
    groups = _by_size(split)
    assert len(groups) < 15
    assert sorted(np.concatenate(list(groups.values())).tolist()) == list(range(40))
    assert all((sizes[rows] <= size).all() for size, rows in groups.items())


def test_weights_without_an_auxiliary_classifier_are_taken(streets, tmp_path, capsys):
    torch, torchvision = pytorch.torch(), pytorch.torchvision()
    build = torchvision.models.segmentation.deeplabv3_mobilenet_v3_large
    network = build(weights=None, weights_backbone=None, num_classes=3, aux_loss=None)
    torch.save(network.state_dict(), tmp_path / "mine.pth")
    picture = str(next((streets / "test" / "images").iterdir()))
    flags = ["--model", "deeplabv3_mobilenet_v3_large", "--pretrained", str(tmp_path / "mine.pth"), picture]
    assert predict.main([*flags, "--out", str(tmp_path / "out")]) == 0
    assert len(masks_in(tmp_path / "out")) == 1


def test_masks_lie_where_one_works_and_never_beside_the_pictures(saved, streets, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = sorted(streets.rglob("*"))
    assert predict.main(["--pretrained", str(saved), str(streets / "test" / "images")]) == 0
    assert sorted(streets.rglob("*")) == before
    [out] = tmp_path.iterdir()
    assert out.name.startswith("unet-predictions-")
    assert len(masks_in(out)) == 3


def test_the_weights_own_network_is_named(theirs, streets, capsys):
    picture = str(next((streets / "test" / "images").iterdir()))
    path = str(theirs[1])
    assert predict.main(["--pretrained", path, picture]) == 2
    assert "name it with --model, say lraspp_mobilenet_v3_large." in capsys.readouterr().err
    assert predict.main(["--model", "fcn_resnet50", "--pretrained", path, picture]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.endswith("These are the weights of lraspp_mobilenet_v3_large: "
                         "--model lraspp_mobilenet_v3_large.")  # fmt: skip


def test_a_size_of_pictures_is_refused_where_they_are_whole(saved, streets, capsys):
    picture = str(next((streets / "test" / "images").iterdir()))
    assert predict.main(["--pretrained", str(saved), "--image-size", "64", picture]) == 2
    assert "Give --resize instead." in capsys.readouterr().err


def test_a_summary_of_weights_that_tell_their_network(saved, capsys):
    assert summary.main(["--pretrained", str(saved), "--depth", "1"]) == 0
    assert capsys.readouterr().out.startswith("unet, 3 classes, one image of 36 x 52 pixels")
    assert summary.main([]) == 2
    assert "name a network, say resnet50" in capsys.readouterr().err
