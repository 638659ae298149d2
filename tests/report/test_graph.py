"""A network's graph holds every operation once, and joins the input to the logits."""

import jax
import jax.numpy as jnp
import pytest

from jaxdl import models
from jaxdl.report.graph import graph
from jaxdl.report.runlog import RunLog
from jaxdl.variables import flat


@pytest.mark.parametrize("name", ["cifar_cnn", "quick_cnn", "resnet18"])
def test_the_logits_come_from_the_image_and_every_variable(name):
    model = models.create(name)
    nodes = {node.name: node for node in graph(model, (32, 32, 3))}
    last = list(nodes)[-1]
    assert nodes[last].shape == (1, 10)
    reached, waiting = set(), [last]
    while waiting:
        each = waiting.pop()
        if each not in reached:
            reached.add(each)
            waiting += nodes[each].inputs
    variables = jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)), train=False))
    assert {"image", *("/".join(path[1:]) for path in flat(variables))} <= reached


def test_there_are_as_many_convolutions_as_the_network_has():
    kinds = [node.kind for node in graph(models.create("resnet18"), (32, 32, 3))]
    assert kinds.count("conv_general_dilated") == 20
    assert kinds.count("dot_general") == 1


def test_operations_lie_in_their_layers():
    nodes = graph(models.create("resnet18"), (32, 32, 3))
    convolutions = [node.name.rpartition("/")[0] for node in nodes if node.kind == "conv_general_dilated"]
    assert convolutions[0].startswith("conv1")
    assert any(name.startswith("layer4.1/conv2") for name in convolutions)


def test_tensorboard_reads_it(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    nodes = graph(models.create("cifar_cnn"), (32, 32, 3))
    with RunLog(tmp_path) as log:
        log.graph(nodes)
    found = EventAccumulator(str(tmp_path / "tensorboard")).Reload().Graph()
    assert [(node.name, node.op, tuple(node.input)) for node in found.node] == [
        (node.name, node.kind, node.inputs) for node in nodes
    ]
