"""A training from its configuration, its data and its devices: the one place where a run is wired."""

import sys
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from jaxdl import initial_values, metrics, optim, transfer
from jaxdl.data import pipeline
from jaxdl.data.dataset import Dataset, Split, channel_statistics
from jaxdl.errors import UserError
from jaxdl.models.detector import Detector
from jaxdl.models.segmenter import Segmenter
from jaxdl.report.heartbeat import Heartbeat
from jaxdl.report.layers import grouped, layers, total
from jaxdl.run.augmentation import alternates
from jaxdl.run.channels import DATA, channels_of
from jaxdl.run.classification import CLASSIFICATION
from jaxdl.run.config import Config
from jaxdl.run.flags import in_flags
from jaxdl.run.input import batch_described, fits_on_device
from jaxdl.run.network import frozen_patterns
from jaxdl.run.optimization import LearningRate, optimizer_of, schedule_of, steps_of
from jaxdl.run.programs import takeover_at
from jaxdl.run.task import Task
from jaxdl.run.training import Evaluation, StepFunctions, Training
from jaxdl.train import parallel
from jaxdl.train.ahead import Compiler, Program
from jaxdl.train.eval_step import make_eval_step, make_predict_step
from jaxdl.train.gradients import Loss
from jaxdl.train.state import TrainState, create_state
from jaxdl.train.step import make_gradient_step, make_train_step
from jaxdl.train.takeover import Takeover
from jaxdl.variables import depth_of

SAMPLE = 2000  # training images, at most, that a layer initialised from data sees
GROUPS = 24  # layer groups, at most, whose gradients are logged
EVAL_BATCH = 500  # images, at most, evaluated at once
MOST_PIXELS = 2**21  # of images that a network sees at once, where it keeps nothing for a gradient


def build(
    config: Config,
    dataset: Dataset,
    devices: parallel.Devices,
    *,
    task: Task = CLASSIFICATION,
    weights: bool = True,
    compile_ahead: bool = True,
) -> Training:
    """The training that ``config`` describes, on ``dataset``.

    weights: whether to read the file of ``--pretrained``; False where a checkpoint will replace the state.
    compile_ahead: whether a first program of the step, one that is soon there, is compiled in a thread meanwhile.
    """
    if config.batch_size % config.accumulate:
        raise UserError(f"--accumulate {config.accumulate} must divide --batch-size {config.batch_size}.")
    train, val = dataset.held_out(val_size=config.val_size, seed=config.seed)
    mean, std = channels_of(config.normalize or DATA) or channel_statistics(train.images, progress=True)
    steps_per_epoch = pipeline.steps_per_epoch(len(train), config.batch_size)
    model, learning_rate, optimizer = network_and_optimizer(
        config,
        num_classes=len(dataset.classes),
        image=train.images.shape[1:],
        steps_per_epoch=steps_per_epoch,
        task=task,
    )
    prepare = partial(task.prepare, mean=mean, std=std)
    key, sample = jax.random.key(config.seed), jax.jit(prepare)(train.images[: at_once(train, SAMPLE)])
    freeze = frozen_patterns(config.freeze, model, sample[:1])
    variables = loaded(config, model, key, sample[:1])[0] if weights else None
    create = partial(create_state, model, optimizer, freeze=freeze)
    described = partial(jax.eval_shape, lambda key, variables: create(key, sample, variables=variables))
    shapes = described(key, variables or initial_values.shapes(model, sample))
    of_layers = layers(model, sample.shape[1:])
    depth = depth_of({"params": shapes.params}, max_layers=GROUPS)
    functions = step_functions(
        task, config, model, optimizer, mean=mean, std=std, num_classes=len(dataset.classes), depth=depth
    )
    scheduled = steps_of(config, steps_per_epoch)
    steps, takeover = min(scheduled, config.steps or sys.maxsize), None
    compiler = Compiler() if compile_ahead and devices.kind == "single" else None
    if compiler and not fits_on_device(config, devices, train):
        work = total(of_layers).multiply_adds * config.batch_size
        at = takeover_at(devices, multiply_adds=work, steps=scheduled)
        takeover = Takeover(functions.train, at=at, steps=steps, compiler=compiler)
        if weights:
            takeover.begin(0, shapes, batch_described(train, config.batch_size, mirrored=alternates(config)))
    evaluation = _evaluation(functions, devices, compiler, for_evaluation(shapes, config), val or dataset.test)
    with Heartbeat("making the network"):
        state = devices.make(partial(create, key, sample, variables=variables))
    return Training(
        task=task,
        config=config,
        devices=devices,
        train=train,
        val=val,
        classes=dataset.classes,
        mean=mean,
        std=std,
        model=model,
        learning_rate=learning_rate,
        optimizer=optimizer,
        state=state,
        step_functions=functions,
        steps=steps,
        steps_per_epoch=steps_per_epoch,
        takeover=takeover,
        evaluation=evaluation,
        depth=depth,
        groups=[group.name for group in grouped(of_layers, depth) if group.name],
        freeze=freeze,
    )


def at_once(split: Split, most: int = EVAL_BATCH) -> int:
    """How many images of ``split`` are looked at together: of large ones fewer."""
    height, width, _ = split.images.shape[1:]
    return max(min(most, len(split), MOST_PIXELS // (height * width)), 1)


def _evaluation(
    functions: StepFunctions, devices: parallel.Devices, compiler: Compiler | None, state: TrainState, split: Split
) -> Evaluation:
    """state: described, as ``split`` is evaluated with it."""
    step, size = functions.eval_and_predict, devices.padded(at_once(split))
    if compiler is None:
        return Evaluation(devices.compile(step), size)
    program = Program(compiler, step.jitted, state, batch_described(split, size, mask=True))

    def checked(state: TrainState, batch: Any) -> Any:
        step.check(batch)
        return program(state, dict(batch))

    return Evaluation(checked, size, program.begin)


def network_and_optimizer(
    config: Config,
    *,
    num_classes: int,
    image: tuple[int, int, int],
    steps_per_epoch: int,
    task: Task = CLASSIFICATION,
) -> tuple[nn.Module, LearningRate, optax.GradientTransformation]:
    """The network, the learning rate by update and the optimizer, whose state ``create_state`` makes.

    image: (H, W, C) of what the network sees.
    """
    model, learning_rate = task.model(config, num_classes=num_classes), schedule_of(config, steps_per_epoch)
    blocks = [] if config.layer_decay is None else transfer.blocks(model, jnp.zeros((1, *image)))
    return model, learning_rate, optimizer_of(config, learning_rate, blocks=blocks)


def loaded(
    config: Config, model: nn.Module, key: jax.Array | None, images: jax.Array, *, told: bool = True
) -> tuple[dict[str, Any] | None, list[str]]:
    """The variables of ``--pretrained``, None without the flag, and the layers that start anew, which it prints.

    told: whether it prints. key: the run's, None where no layer is to start anew. images: float32[1, H, W, C] as the
    network sees them.
    """
    if not config.pretrained:
        return None, []
    # with all that reads files of weights
    from jaxdl.run.initial_weights import AUXILIARY, published_name, start_from, weights_file

    file = weights_file(config.pretrained, published_name(config, model), offline=config.offline)
    remarks: list[str] = []
    variables, anew = start_from(
        file,
        model,
        key if key is None else jax.random.fold_in(key, 1),
        images,
        weights_key=config.weights_key,
        tell=remarks.append,
    )
    if told:
        absent = sorted({layer.partition(".")[0] for layer in anew} & set(AUXILIARY))
        others = [layer for layer in anew if layer.partition(".")[0] not in absent]
        why = " for other classes: starts anew"
        if isinstance(model, Segmenter | Detector) and not any(layer.startswith("backbone.") for layer in others):
            others, why = ["what follows the backbone"] if others else [], " starts anew"
        said = f"; {', '.join(others)}{why}" if others else ""
        said += (
            f"; {', '.join(absent)}, only of training, not in it or for other classes: starts anew" if absent else ""
        )
        print(f"weights  {file}{said}")
        for remark in remarks:
            print(f"note     {in_flags(remark, Config)}")
    return variables, anew


def step_functions(
    task: Task,
    config: Config,
    model: nn.Module,
    optimizer: optax.GradientTransformation,
    *,
    mean: Sequence[float],
    std: Sequence[float],
    num_classes: int,
    depth: int | None = None,
    loss: Loss | None = None,
) -> StepFunctions:
    """The functions of training, evaluation and prediction.

    optimizer, mean, std, loss: of values that may be traced, as a sweep has them; loss: the task's if None. depth: of
    the layer names whose gradients are measured together; not measured if None.
    """
    inputs = task.inputs(config, mean=mean, std=std)
    training: Mapping[str, Any] = {
        "augment": task.augment(config, mean=mean, std=std),
        "mix": task.mix(config, num_classes=num_classes),
        "transform": inputs and inputs.transform,
        "inputs": inputs and inputs.train,
        "accumulate": config.accumulate,
    }
    evaluation: Mapping[str, Any] = {
        "prepare": partial(task.prepare, mean=mean, std=std),
        "views": task.views(config),
        "inputs": inputs and inputs.evaluation,
    }
    measured: Mapping[str, Any] = {**evaluation, "metrics": task.metrics, "sums": task.sums}
    loss = task.loss(config) if loss is None else loss
    train = make_train_step(
        model,
        optimizer,
        loss,
        **training,
        skip_not_finite=config.on_nan == "skip",
        metrics=task.metrics,
        gradient_metrics=None if depth is None else partial(metrics.gradient_health, depth=depth),
    )
    return StepFunctions(
        train=train,
        gradient=make_gradient_step(model, loss, **training),
        eval=make_eval_step(model, task.eval_loss, **measured),
        predict=make_predict_step(model, **evaluation, kept=task.kept),
        eval_and_predict=make_eval_step(model, task.eval_loss, **measured, kept=task.kept),
    )


def for_evaluation(state: TrainState, config: Config) -> TrainState:
    """``state`` with the parameters that are evaluated: with ``--ema`` their average."""
    return state if config.ema is None else state.replace(params=optim.ema_params(state.opt_state))
