import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl import variables
from jaxdl.errors import UserError

TREE = {
    "params": {"layer1.0": {"conv1": {"kernel": 1}, "bn1": {"scale": 2}}, "fc": {"kernel": 3, "bias": 4}, "cls": 5},
    "batch_stats": {"layer1.0": {"bn1": {"mean": 6}}},
}


@pytest.mark.parametrize(
    ("patterns", "picked"),
    [
        ([], set()),
        (["*"], {1, 2, 3, 4, 5, 6}),
        (["*", "!fc"], {1, 2, 5, 6}),
        (["layer1.0"], {1, 2, 6}),
        (["layer1.*"], {1, 2, 6}),
        (["layer1"], {1, 2, 6}),
        (["layer2"], None),
        (["*.bias", "cls"], {4, 5}),
        (["*", "!layer1.0", "*.bn1"], {2, 3, 4, 5, 6}),
        (["fc", "!fc.bias"], {3}),
    ],
)
def test_patterns_pick_leaves_in_order(patterns, picked):
    if picked is None:
        with pytest.raises(UserError, match=r"unknown pattern of variables 'layer2'. Did you mean layer1\?"):
            variables.select(TREE, patterns)
        return
    kept, taken = variables.split(TREE, patterns)
    assert set(variables.flat(taken).values()) == picked
    assert set(variables.flat(kept).values()) == {1, 2, 3, 4, 5, 6} - picked
    assert variables.merge(kept, taken) == TREE


def test_a_pattern_by_itself_is_a_mistake():
    with pytest.raises(UserError, match="must be a sequence"):
        variables.select(TREE, "fc")


def test_merge_takes_the_second_where_both_have_a_leaf():
    merged = variables.merge({"params": {"a": {"x": 1, "y": 2}}}, {"params": {"a": {"y": 3}}})
    assert merged == {"params": {"a": {"x": 1, "y": 3}}}


def test_restrict_and_layers():
    leaves = variables.flat({"params": {"a": {"x": jnp.ones(2)}, "b": jnp.zeros(1)}})
    assert [variables.layer_of(path) for path in leaves] == ["a", ""]
    only = variables.restrict(variables.unflat(leaves), [("params", "b")])
    np.testing.assert_array_equal(only["params"].pop("b"), np.zeros(1))
    assert only == {"params": {}}


def test_a_layer_is_named_by_its_first_parts():
    path = ("params", "layer1.0", "conv1", "kernel")
    assert variables.layer_of(path) == "layer1.0.conv1"
    assert [variables.layer_of(path, depth=depth) for depth in (1, 2, 3, 9)] == [
        "layer1", "layer1.0", "layer1.0.conv1", "layer1.0.conv1",
    ]  # fmt: skip


@pytest.mark.parametrize(("most", "depth"), [(100, 3), (5, 3), (4, 3), (3, 2), (1, 1)])
def test_the_depth_is_the_deepest_that_tells_no_more_layers_apart(most, depth):
    assert variables.depth_of(TREE, max_layers=most) == depth
