import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl.errors import UserError
from jaxdl.nn import GRU, LSTM, RNN
from tests import pytorch

LAYERS = {"RNN": RNN, "GRU": GRU, "LSTM": LSTM}
BATCH, TIME, INPUTS, HIDDEN = 3, 7, 5, 4


def pair(name, num_layers, bidirectional, use_bias=True, **more):
    """Our layer, PyTorch's, and PyTorch's parameters as they are."""
    torch = pytorch.torch()
    torch.manual_seed(0)
    theirs = getattr(torch.nn, name)(
        INPUTS, HIDDEN, num_layers, bidirectional=bidirectional, bias=use_bias, batch_first=True, **more
    )
    ours = LAYERS[name](HIDDEN, num_layers, bidirectional, use_bias, **more)
    return ours, theirs, {name: parameter.detach().numpy() for name, parameter in theirs.named_parameters()}


def flat(outputs, state):
    """Outputs and states as one vector, so that one gradient covers all."""
    parts = [outputs, *(state if isinstance(state, tuple) else (state,))]
    return parts[0].reshape(-1), *(part.reshape(-1) for part in parts[1:])


@pytest.mark.slow
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("num_layers", [1, 2, 3])
@pytest.mark.parametrize(("name", "more"), [("RNN", {}), ("RNN", {"nonlinearity": "relu"}), ("GRU", {}), ("LSTM", {})])
@pytest.mark.parametrize("given", [False, True], ids=["zeros", "initial"])
def test_stack_equals_pytorchs_in_outputs_states_and_every_gradient(rng, name, more, num_layers, bidirectional, given):
    torch = pytorch.torch()
    ours, theirs, params = pair(name, num_layers, bidirectional, **more)
    x = rng.normal(size=(BATCH, TIME, INPUTS)).astype(np.float32)
    parts = 2 if name == "LSTM" else 1
    shape = (parts, num_layers * (1 + bidirectional), BATCH, HIDDEN)
    initial = rng.normal(size=shape).astype(np.float32) * given

    def run(x, initial, *values):
        state = tuple(initial) if parts == 2 else initial[0]
        variables = {"params": dict(zip(params, values, strict=True))}
        return jnp.concatenate(flat(*ours.apply(variables, x, state if given else None, train=False)))

    def reference(x, initial, *values):
        state = tuple(initial) if parts == 2 else initial[0]
        named = dict(zip(params, values, strict=True))
        arguments = (x, state) if given else (x,)
        result = torch.cat(flat(*torch.func.functional_call(theirs, named, arguments)))
        return result + 0 * initial.sum()

    pytorch.assert_same_function(run, reference, x, initial, *params.values())


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("name", LAYERS)
def test_lengths_are_pytorchs_packed_sequences(rng, name, bidirectional):
    torch = pytorch.torch()
    ours, theirs, params = pair(name, 2, bidirectional)
    x, lengths = rng.normal(size=(BATCH, TIME, INPUTS)).astype(np.float32), [3, 7, 1]
    packed = torch.nn.utils.rnn.pack_padded_sequence(
        torch.tensor(x), torch.tensor(lengths), batch_first=True, enforce_sorted=False
    )
    outputs, state = theirs(packed)
    outputs, _ = torch.nn.utils.rnn.pad_packed_sequence(outputs, batch_first=True)
    result = ours.apply({"params": params}, x, train=False, lengths=jnp.asarray(lengths))
    for mine, reference in zip(flat(*result), flat(outputs, state), strict=True):
        pytorch.assert_close(mine, reference.detach())


def test_without_bias_equals_pytorchs(rng):
    for name in LAYERS:
        ours, theirs, params = pair(name, 2, True, use_bias=False)
        assert not any("bias" in key for key in params)
        x = rng.normal(size=(BATCH, TIME, INPUTS)).astype(np.float32)
        expected, _ = theirs(pytorch.torch().tensor(x))
        pytorch.assert_close(ours.apply({"params": params}, x, train=False)[0], expected.detach())


@pytest.mark.parametrize("name", LAYERS)
def test_parameters_are_pytorchs_in_name_shape_and_distribution(name):
    _, theirs, _ = pair(name, 2, True)
    wide = LAYERS[name](256)
    shapes = jax.eval_shape(
        lambda: LAYERS[name](HIDDEN, 2, True).init(jax.random.key(0), jnp.zeros((1, 2, INPUTS)), train=False)
    )["params"]
    assert {key: leaf.shape for key, leaf in shapes.items()} == {
        key: tuple(leaf.shape) for key, leaf in theirs.state_dict().items()
    }
    for leaf in jax.tree.leaves(wide.init(jax.random.key(0), jnp.zeros((1, 2, INPUTS)), train=False)):
        assert 0.98 / 16 < np.abs(leaf).max() <= 1 / 16
        assert np.std(leaf) == pytest.approx(1 / 16 / 3**0.5, rel=0.1)


def test_dropout_acts_between_layers_in_training_only(rng):
    x = rng.normal(size=(BATCH, TIME, INPUTS)).astype(np.float32)
    plain, dropping = LSTM(HIDDEN, 2), LSTM(HIDDEN, 2, dropout=0.5)
    variables = plain.init(jax.random.key(0), x, train=False)
    expected = plain.apply(variables, x, train=True)[0]
    np.testing.assert_array_equal(dropping.apply(variables, x, train=False)[0], expected)
    dropped = dropping.apply(variables, x, train=True, rngs={"dropout": jax.random.key(1)})[0]
    assert not np.array_equal(dropped, expected)
    single = LSTM(HIDDEN, 1, dropout=0.5)
    only = single.init(jax.random.key(0), x, train=False)
    np.testing.assert_array_equal(single.apply(only, x, train=True)[0], single.apply(only, x, train=False)[0])


@pytest.mark.parametrize(
    ("layer", "x", "more", "message"),
    [
        (GRU(4), (7, 5), {}, r"x must have 3 axes \[batch, time, inputs\], got shape \(7, 5\)"),
        (GRU(0), (1, 7, 5), {}, "hidden_size must be at least 1, got 0"),
        (GRU(4, 0), (1, 7, 5), {}, "num_layers must be at least 1, got 0"),
        (GRU(4, dropout=1.0), (1, 7, 5), {}, "dropout must be at least 0 and less than 1, got 1.0"),
        (RNN(4, nonlinearity="tan"), (1, 7, 5), {}, "unknown nonlinearity 'tan'. Did you mean tanh"),
        (GRU(4), (1, 7, 5), {"initial": (2, 1, 4)}, r"initial state must have shape \(1, 1, 4\).*got \(2, 1, 4\)"),
        (GRU(4), (3, 7, 5), {"lengths": (1,)}, r"lengths must have shape \(3,\)"),
    ],
)
def test_stack_names_the_argument_that_is_wrong(layer, x, more, message):
    given = {name: jnp.zeros(shape) for name, shape in more.items()}
    with pytest.raises(UserError, match=message):
        layer.init(jax.random.key(0), jnp.zeros(x), train=False, **given)


def test_stack_names_the_inputs_its_weights_are_for():
    variables = LSTM(4).init(jax.random.key(0), jnp.zeros((1, 7, 5)), train=False)
    with pytest.raises(UserError, match=r"x must have 5 on its last axis, .* got \(1, 7, 6\)"):
        LSTM(4).apply(variables, jnp.zeros((1, 7, 6)), train=False)
