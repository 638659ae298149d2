"""A short run of the command, and what it left."""

import json
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from jaxdl import models
from jaxdl.checkpoint import Checkpoints
from jaxdl.run.config import Config
from jaxdl.run.optimization import optimizer_of, schedule_of
from jaxdl.train.state import create_state

ROOT = Path(__file__).resolve().parents[2]
SHORT = ["--dataset", "digits", "--model", "cifar_cnn", "--recipe", "course", "--lr", "0.05", "--batch-size", "100",
         "--epochs", "3", "--crop-padding", "2", "--no-report"]  # 12 steps an epoch  # fmt: skip
STEPS = 36


def command(*flags, out):
    return [sys.executable, "-m", "experiments.cifar", *flags, "--out", str(out)]


def records(out):
    """metrics.jsonl without what time changes."""
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    timing = ("seconds", "images_per_second", "waiting_for_data")
    return [{name: value for name, value in line.items() if name not in timing} for line in lines]


def final_state(out):
    config = Config(**json.loads((out / "config.json").read_text())["config"])
    optimizer = optimizer_of(config, schedule_of(config, 1))
    like = create_state(models.create(config.model), optimizer, jax.random.key(9), jnp.zeros((4, 32, 32, 3)))
    with Checkpoints(out / "checkpoints") as checkpoints:
        return checkpoints.restore(like)[0]


def assert_same_run(out, reference):
    ours, theirs = final_state(out), final_state(reference)
    assert int(ours.step) == int(theirs.step)
    for a, b in ((ours.params, theirs.params), (ours.opt_state, theirs.opt_state)):
        jax.tree.map(np.testing.assert_array_equal, a, b)
    assert records(out) == records(reference)
