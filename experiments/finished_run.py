"""A run's network as it was left: what evaluating, exporting or using it begins with."""

from pathlib import Path
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from experiments import run_folder
from experiments.config import Config
from experiments.network import frozen_patterns, model_of
from experiments.optimization import optimizer_of, schedule_of
from jaxdl import optim
from jaxdl.checkpoint import Checkpoints
from jaxdl.errors import UserError
from jaxdl.train.state import create_state


class FinishedRun(NamedTuple):
    """A network, what it saw, and how it came about.

    variables: of the newest checkpoint, averaged if the run averaged them. image: (H, W, C). mean, std: of the channels
    in [0, 1], as the network saw them. record: ``config.json``. step: the updates made.
    """

    model: nn.Module
    variables: dict[str, Any]
    classes: tuple[str, ...]
    image: tuple[int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    config: Config
    record: dict[str, Any]
    step: int


def load(folder: str) -> FinishedRun:
    """The run in ``folder``; raises UserError if there is none, or none that has saved anything yet."""
    record = run_folder.read(folder)
    config = run_folder.config_of(record, folder)
    missing = {"classes", "image", "mean", "std"} - record.keys()
    if missing:
        raise UserError(
            f"{folder}/config.json is not of this version of the program (no {', '.join(sorted(missing))})."
        )
    if not Path(folder, "checkpoints").is_dir():
        raise UserError(f"the run in {folder} has saved no checkpoint yet.")
    model = model_of(config, num_classes=len(record["classes"]))
    optimizer = optimizer_of(config, schedule_of(config, 1))
    images = jnp.zeros((1, *record["image"]))
    freeze = frozen_patterns(config.freeze, model, images)
    like = create_state(model, optimizer, jax.random.key(config.seed), images, freeze=freeze)
    with Checkpoints(Path(folder, "checkpoints")) as checkpoints:
        state, _ = checkpoints.restore(like)
    if config.ema is not None:
        state = state.replace(params=optim.ema_params(state.opt_state))
    return FinishedRun(
        model=model,
        variables=state.variables,
        classes=tuple(record["classes"]),
        image=tuple(record["image"]),
        mean=tuple(record["mean"]),
        std=tuple(record["std"]),
        config=config,
        record=record,
        step=int(state.step),
    )
