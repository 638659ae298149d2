"""A name that is not known is answered with what is meant, or with nothing: never with something else."""

import subprocess

import pytest

from jaxdl import elsewhere, models
from jaxdl.data import sources
from jaxdl.elsewhere import CLASSIFIERS
from jaxdl.errors import unknown
from jaxdl.nn.activations import ACTIVATIONS
from jaxdl.nn.initializers import KERNELS
from jaxdl.optim import OPTIMIZERS
from jaxdl.run.config import SCHEDULES

FLAGS = ("--lr", "--epochs", "--batch-size", "--resume", "--resident", "--workers", "--no-flip", "--data-dir", "--help")


def hint(kind, name, known, **options):
    """Text of the error between the name and the list of known ones."""
    said = str(unknown(kind, name, known, **options)).removeprefix(f"unknown {kind} {name!r}.")
    return said.split(" Known: ")[0].removesuffix(".").strip()


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("ResNet18", "resnet18"),
        ("resnet-18", "resnet18"),
        ("resnet81", "resnet18"),
        ("resnet50.a1_in1k", "resnet50"),
        ("microsoft/resnet-50", "resnet50"),
        ("timm/resnet18.tv_in1k", "resnet18"),
        ("torchvision.models.resnet34", "resnet34"),
        ("resnet18_cifar", "resnet18"),
        ("mobilenetv2", "mobilenet_v2"),
        ("mobilenetv3_large_100", "mobilenet_v3_large"),
        ("efficientnet-b0", "efficientnet_b0"),
        ("EfficientNetB0", "efficientnet_b0"),
        ("vit_base_patch16_224", "vit_b_16"),
        ("vit_large_patch16_384", "vit_l_16"),
        ("vit_huge_patch14_224", "vit_h_14"),
        ("timm/regnety_016.tv2_in1k", "regnet_y_1_6gf"),
        ("regnet-y-1.6gf", "regnet_y_1_6gf"),
        ("RegNet_Y_16GF", "regnet_y_16gf"),
        ("mnasnet_100", "mnasnet1_0"),
        ("tf_efficientnetv2_s", "efficientnet_v2_s"),
        ("convnext_tiny.fb_in22k", "convnext_tiny"),
        ("convnext", "one of convnext_base, convnext_large, convnext_small, convnext_tiny"),
        ("google/vit-base-patch16-224-in21k", "vit_b_16"),
        ("microsoft/swin-tiny-patch4-window7-224", "swin_t"),
        ("swinv2_base_window8_256.ms_in1k", "swin_v2_b"),
        ("Swin_V2_S", "swin_v2_s"),
        ("swin", "one of swin_b, swin_s, swin_t, swin_v2_b, swin_v2_s, swin_v2_t"),
        ("maxvit_tiny_tf_224.in1k", "maxvit_t"),
        ("squeezenet1.1", "squeezenet1_1"),
        ("densnet121", "densenet121"),
        ("wide_resnet50", "wide_resnet50_2"),
        ("inception", "inception_v3"),
        ("vgg", "one of vgg11, vgg11_bn, vgg13, vgg13_bn, vgg16, vgg16_bn, vgg19, vgg19_bn"),
    ],
)
def test_a_model_written_otherwise_is_suggested(name, meant):
    assert hint("model", name, models.names()) == f"Did you mean {meant}?"


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("fasterrcnn_resnet50_fpn", "a detector"),
        ("torchvision.models.detection.fasterrcnn_resnet50_fpn", "a detector"),
        ("retinanet_resnet50_fpn", "a detector"),
        ("ssd300_vgg16", "a detector"),
        ("ssdlite320_mobilenet_v3_large", "a detector"),
        ("facebook/detr-resnet-50", "a detector"),
        ("maskrcnn_resnet50_fpn", "an instance segmenter"),
        ("keypointrcnn_resnet50_fpn", "a keypoint detector"),
        ("fcn_resnet50", "a segmenter"),
        ("deeplabv3_resnet50", "a segmenter"),
        ("lraspp_mobilenet_v3_large", "a segmenter"),
        ("r3d_18", "a video network"),
        ("raft_large", "an optical flow network"),
        ("quantized_resnet50", "a quantized network"),
    ],
)
@pytest.mark.parametrize("kind", ["model", "torchvision model"])
def test_a_model_of_another_task_is_called_that(kind, name, what):
    here = "jaxdl segment has fcn, deeplabv3, lraspp and unet" if what == "a segmenter" else CLASSIFIERS
    assert hint(kind, name, models.names()) == f"It is {what}; {here}"


@pytest.mark.parametrize(
    "name",
    [
        "swin_large_patch4_window7_224",
        "convnextv2_tiny",
        "efficientnetv2_rw_s",
        "regnetz_040",
        "regnetx_1280",
        "vit_h_16",
        "lenet",
        "resnet50d",
    ],
)
def test_a_classifier_that_is_not_here_is_called_that(name):
    assert hint("model", name, models.names()) == "It is another network, which is not here"


@pytest.mark.parametrize("name", ["resnet20", "resnet1001", "dino_resnet50", "cnn", "x", "efficientnet_b8", "tiny", ""])
def test_a_model_that_nothing_is_like_is_answered_with_the_list_alone(name):
    assert hint("model", name, models.names()) == ""


def test_no_name_of_ours_is_taken_for_another():
    for name in models.names():
        for written in (name.upper(), name.replace("_", "-"), f"timm/{name}.tv_in1k"):
            assert hint("model", written, models.names()) == f"Did you mean {name}?"


@pytest.mark.parametrize(
    ("kind", "name", "known", "said"),
    [
        ("dataset", "CIFAR-10", sources.NAMES, "Did you mean cifar10?"),
        ("dataset", "cifar100", sources.NAMES, ""),
        ("dataset", "mnist", sources.NAMES, ""),
        ("optimizer", "AdamW", OPTIMIZERS, "Did you mean adamw?"),
        ("optimizer", "adamax", OPTIMIZERS, "It is another optimizer, which is not here"),
        ("optimizer", "rprop", OPTIMIZERS, "It is another optimizer, which is not here"),
        ("schedule", "CosineAnnealingLR", SCHEDULES, "Did you mean cosine?"),
        ("schedule", "plateau", SCHEDULES, ""),
        ("activation", "LeakyReLU", ACTIVATIONS, "Did you mean leaky_relu?"),
        ("activation", "silu", ACTIVATIONS, "Did you mean swish?"),
        ("activation", "celu", ACTIVATIONS, "It is another activation, which is not here"),
        ("initializer", "kaiming_normal_", KERNELS, "Did you mean he_normal?"),
    ],
)
def test_other_tables_are_answered_likewise(kind, name, known, said):
    assert hint(kind, name, known) == said


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("--batchsize", "Did you mean --batch-size?"),
        ("--data_dir", "Did you mean --data-dir?"),
        ("--num-epochs", "Did you mean --epochs?"),
        ("--res", "Did you mean one of --resident, --resume?"),
        ("--no-fli", "Did you mean --no-flip?"),
        ("--bs", "Did you mean --batch-size?"),
        ("--learning-rate", "Did you mean --lr?"),
    ],
)
def test_flags_are_suggested_by_their_words(typed, said):
    assert hint("flag", typed, FLAGS, listed=False) == said


@pytest.mark.parametrize("kind", ["flag", "loss"])
def test_counterparts_of_other_libraries_names_are_there(kind):
    from jaxdl import losses
    from jaxdl.run.config import Config
    from jaxdl.run.flags import flag_name

    known = {"flag": set(map(flag_name, Config.__dataclass_fields__)), "loss": set(losses.BY_NAME)}[kind]
    assert set(elsewhere.SAME[kind].values()) <= known


def test_many_known_names_are_listed_as_a_shell_abbreviates_them():
    message = str(unknown("model", "nonsense", models.names()))
    assert len(message) < 1000
    written = message.split("Known: ")[1].removesuffix(".").replace(", ", " ")
    shell = subprocess.run(["bash", "-c", f"echo {written}"], stdout=subprocess.PIPE, text=True, check=True)
    assert shell.stdout.split() == list(models.names())
