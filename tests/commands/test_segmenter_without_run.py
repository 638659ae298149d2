"""A segmenter's weights used without a run: predicted, evaluated, exported, summed up."""

import json

import jax
import numpy as np
import pytest
from PIL import Image

from jaxdl import models, saved_model
from jaxdl.commands import evaluate, export, predict, summary
from jaxdl.commands.demo_page.application import Demo
from jaxdl.data.mask_listing import VOC_CLASSES
from jaxdl.data.pictures import open_mask
from jaxdl.run import preprocessing
from jaxdl.run.chosen import NetworkOptions
from jaxdl.run.segmentation.segmented import Segmented
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
    assert "has no classifier" in (said := capsys.readouterr().err)
    assert "jaxdl segment --pretrained" in said


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
