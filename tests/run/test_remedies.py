"""Remedies are possible for the run and not in use yet, and their claims are true."""

import dataclasses
from functools import cache

import jax
import jax.numpy as jnp
import pytest

from jaxdl import models
from jaxdl.report.diagnosis import CASES
from jaxdl.run.asked import parse
from jaxdl.run.optimization import optimizer_of, schedule_of
from jaxdl.run.recipes import RECIPES
from jaxdl.run.remedies import BY_CASE, LARGE, RESIDUAL, SMALL, Treated, remedies
from jaxdl.train.state import parameter_count
from jaxdl.transfer.published import PUBLISHED


def advice(case, recipe="quick", parameters=None, steps=None, **changes):
    """The flags advised for a finished run of the recipe with those changes."""
    settings = dataclasses.asdict(dataclasses.replace(RECIPES[recipe], **changes))
    run = Treated(settings=settings, parameters=parameters, epochs=settings["epochs"], steps=steps)
    return [remedy.change for remedy in remedies(case, run)]


@cache
def network(name, classes=10):
    """The parameters of our network of that name."""
    model = models.create(name, num_classes=classes, stem="cifar" if models.has_stem(name) else None)
    shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)), train=False))
    return parameter_count(shapes["params"])


def test_every_case_has_remedies_that_the_command_understands():
    assert set(BY_CASE) == set(CASES)
    settings = {"lr": 0.2, "batch_size": 64, "epochs": 4, "mixup": 0.2, "cutmix": 1.0, "cutout": 8, "weight_decay": 0.1,
                "l2": 0.1, "label_smoothing": 0.1}  # fmt: skip
    for case in CASES:
        for given in (settings, dict.fromkeys(settings, 0) | {"lr": 0.2, "batch_size": 64, "epochs": 4}):
            found = remedies(case, Treated(settings=given, parameters=10**6, still_falling=True))
            assert found
            for remedy in found:
                _, names = parse(remedy.change.split(), RECIPES, "command")
                assert names, remedy.change


@pytest.mark.long
@pytest.mark.parametrize("name", [*LARGE, *SMALL])
def test_the_sizes_of_the_advised_networks_are_the_real_ones(name):
    table = {**LARGE, **SMALL}[name]
    assert [table.parameters(classes) for classes in (10, 100)] == [network(name, 10), network(name, 100)]


def test_families_with_norms_and_ways_around_are_of_known_networks():
    assert all(any(name.startswith(family) for name in models.MODELS) for family in RESIDUAL)


@pytest.mark.parametrize(
    ("model", "flags"),
    [
        ("quick_cnn", []),  # an eighth of mobilenet_v2
        ("cifar_cnn", []),
        ("speed_cnn", ["--model shufflenet_v2_x0_5"]),
        ("resnet18", ["--model mobilenet_v2"]),
        ("mobilenet_v2", ["--model shufflenet_v2_x1_0"]),
        ("shufflenet_v2_x0_5", []),
    ],
)
def test_a_healthy_run_is_advised_a_network_that_is_smaller_or_none(model, flags):
    assert advice("healthy", model=model, parameters=network(model)) == flags


def test_a_network_of_unknown_size_is_called_neither_smaller_nor_larger():
    assert not any("--model" in each for case in ("healthy", "underfitting") for each in advice(case, model="vgg16"))
    assert "--model resnet101" in advice("underfitting", model="resnet50")  # is in the table


@pytest.mark.parametrize(
    ("model", "larger"),
    [("quick_cnn", "resnet18"), ("resnet18", "resnet34"), ("resnet50", "resnet101"), ("resnet101", None)],
)
def test_an_underfitting_run_is_advised_a_network_that_is_larger_or_none(model, larger):
    advised = [flags for flags in advice("underfitting", model=model, parameters=network(model)) if "--model" in flags]
    assert advised == ([f"--model {larger}"] if larger else [])


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("model", ["resnet50", "wide_resnet50_2", "mobilenet_v2", "vgg11"])
def test_no_network_is_advised_that_the_run_cannot_take(case, model):
    count = network(model) if model != "vgg11" else 128_807_306
    if case not in ("underfitting", "healthy"):  # has norms and residual connections already, or has them not
        advised = "--model resnet18" in advice(case, model=model, parameters=count)
        assert advised == (model == "vgg11" and case in ("exploding gradients", "vanishing gradients", "dead units"))
    for kept in ({"pretrained": "weights.pth"}, {"freeze": "layer1"}):
        assert not any("--model" in flags for flags in advice(case, model=model, parameters=count, **kept))


def test_weights_are_advised_only_where_there_are_some():
    for model in models.MODELS:
        assert ("--pretrained torchvision" in advice("vanishing gradients", model=model)) == (model in PUBLISHED)
    assert "--pretrained torchvision" not in advice("vanishing gradients", model="vgg16", pretrained="torchvision")


def test_remedies_leave_out_what_the_run_does_already():
    plain = {remedy.change for remedy in remedies("overfitting", Treated())}
    settings = {"flip": True, "crop_padding": 4, "patience": 3}
    careful = {remedy.change for remedy in remedies("overfitting", Treated(settings=settings))}
    assert plain - careful == {"--flip", "--crop-padding 4", "--patience 3"}


@pytest.mark.parametrize(
    ("case", "changes", "never"),
    [
        ("overfitting", {"dataset": "digits", "flip": False}, "--flip"),
        ("overfitting", {"dataset": "digits"}, "--data-dir"),
        ("overfitting", {"dataset": "cifar10"}, "--data-dir"),
        ("overfitting", {"l2": 0.1, "weight_decay": 0.0}, "--weight-decay"),
        ("overfitting", {"cutmix": 1.0}, "--mixup"),
        ("overfitting", {"epochs": 3}, "--patience"),
        ("overfitting", {"recipe": "x", "optimizer": "muon", "weight_decay": 0.0}, "--weight-decay"),
        ("exploding gradients", {"epochs": 1}, "--warmup-epochs"),
        ("exploding gradients", {"schedule": "one_cycle", "warmup_epochs": 0.0}, "--warmup-epochs"),
        ("exploding gradients", {"optimizer": "lbfgs"}, "--clip-norm"),
        ("oscillating", {"schedule": "one_cycle"}, "--schedule"),
        ("oscillating", {"schedule": "linear"}, "--schedule"),
        ("oscillating", {"lookahead": 0.9}, "--ema"),
        ("oscillating", {"steps": 16, "epochs": 16}, "--batch-size"),  # of an update an epoch
        *(
            (case, {"optimizer": name}, "--optimizer")
            for case in ("vanishing gradients", "not converging", "underfitting")
            for name in ("adam", "adamw", "nadam", "muon")
        ),
    ],
)
def test_remedies_leave_out_what_cannot_be_or_does_nothing(case, changes, never):
    settings = dataclasses.asdict(dataclasses.replace(RECIPES["quick"], **changes))
    run = Treated(settings=settings, epochs=settings["epochs"], steps=settings["steps"])
    assert not any(never in remedy.change for remedy in remedies(case, run))


def test_numbers_are_such_as_the_run_could_have():
    assert "--optimizer adamw --lr 0.001" in advice("vanishing gradients")  # not at sgd's learning rate
    assert "--lr 0.024 --rest-lr 134" in advice("dead units", "speed_muon")
    assert "--schedule cosine" in advice("oscillating", schedule="linear", lr_end=0.5)
    averages = [next(each for each in advice("oscillating", steps=steps) if "--ema" in each) for steps in (200, 10**6)]
    assert averages == ["--ema 0.9", "--ema 0.999"]
    assert "--cutout 0" in advice("underfitting", cutout=8)


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("dataset", ["cifar10", "digits", "folder"])
def test_remedies_never_repeat_a_flag_of_the_run_and_go_together_with_it(recipe, dataset):
    base = dataclasses.replace(RECIPES[recipe], dataset=dataset)
    for case in CASES:
        for flags in advice(case, recipe, parameters=network(base.model), steps=1000, dataset=dataset):
            changed, names = parse([*flags.split()], {"quick": base}, "command")
            assert all(getattr(changed, name) != getattr(base, name) for name in names), flags
            optimizer_of(changed, schedule_of(changed, 100))


def test_a_run_of_few_updates_that_has_learned_nothing_yet_is_told_to_go_on():
    settings = dataclasses.asdict(RECIPES["course"])

    def first(**of_run):
        return remedies("not converging", Treated(settings=settings, epochs=30, still_falling=True, **of_run))[0].change

    assert first(steps=15) == "--epochs 60"
    assert first(steps=15_000) == first() == "--check"
