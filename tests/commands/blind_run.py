"""A detector's run that was never trained, as one leaves its folder: its weights are random, its bias so that it finds
things. Training takes minutes to compile, which evaluating, predicting and serving need not wait for."""

import dataclasses
import json
import math

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import keystr, tree_map_with_path

from jaxdl.checkpoint import Checkpoints
from jaxdl.initial_values import initial_variables
from jaxdl.run import run_folder
from jaxdl.run.build import network_and_optimizer
from jaxdl.run.detection.config import DetectionConfig
from jaxdl.run.detection.fitted import to_data, to_weights
from jaxdl.run.detection.task import DETECTION, load
from jaxdl.train.state import create_state
from tests.commands import cells

LIKELY = 0.35  # score of any box before the picture is looked at


def made(data, out, *, model="retinanet", backbone="mobilenet_v3_small"):
    """The folder ``out`` of such a run on the dataset in ``data``."""
    given = frozenset({"model", "backbone", "min_size", "max_size", "batch_size"})
    config = DetectionConfig(
        data_dir=str(data), model=model, backbone=backbone, min_size=64, max_size=64, batch_size=2, out=str(out)
    )
    config = to_weights(config, given)
    dataset = load(config)
    config = dataclasses.replace(to_data(config, dataset, given), report=False)
    image = dataset.train.images.shape[1:]
    about = {"num_classes": len(dataset.classes), "image": image, "steps_per_epoch": 1, "task": DETECTION}
    network, _, optimizer = network_and_optimizer(config, **about)
    images = jnp.zeros((1, *image))
    variables = tree_map_with_path(_biased, initial_variables(network, jax.random.key(0), images))
    state = create_state(network, optimizer, jax.random.key(0), images, variables=variables)
    state = state.replace(step=jnp.asarray(2, jnp.int32))
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    run_folder.create(
        config, dataset, "jaxdl detect", mean=mean, std=std, more={"network": config.model, "task": "detection"}
    )
    with Checkpoints(out / "checkpoints") as checkpoints:
        checkpoints.save(state, {}, score=0.1)
    at = {"step": 2, "epoch": 0.7}
    records = [
        {"kind": "run", "groups": []},
        {"kind": "step", **at, "loss": 1.9, "classification": 1.2, "bbox_regression": 0.7},
        {"kind": "epoch", **at, "train_loss": 2.0, "train_classification": 1.3, "train_grad_norm": 3.0, "val_ap": 0.1},
    ]
    (out / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return out


def _biased(path, leaf):
    name = keystr(path)
    if "cls_logits" not in name:
        return leaf
    if "bias" not in name:
        return leaf * 20
    classes = 1 + len(cells.CLASSES)
    value = np.full((leaf.shape[0] // classes, classes), math.log(LIKELY / (1 - LIKELY)), np.float32)
    value[:, 0] = -20  # the background, which torchvision's RetinaNet has as a class
    return jnp.asarray(value.ravel())
