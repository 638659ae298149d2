"""A model of ours beside torchvision's, with the same random parameters and statistics."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl import losses, optim
from jaxdl.initial_values import initial_variables
from jaxdl.nn import StochasticDepth
from jaxdl.train.state import create_state, parameter_count
from jaxdl.train.step import make_train_step
from jaxdl.transfer.conversion import from_pytorch, layout, to_pytorch
from jaxdl.transfer.prefixes import COUNTER
from tests import pytorch


def images_of(count, size):
    """float32[count, size, size, 3]; of more images, the first are the same."""
    return np.random.default_rng(0).normal(size=(count, size, size, 3)).astype(np.float32)


def drawn(build):
    """torchvision's ``build`` with linear layers that keep the size of their inputs, and other parameters away from
    where they begin: of zeros, ones and deviations of 0.02 the logits would not tell whether they are used.
    """

    def built(weights=None, **options):
        torch = pytorch.torch()
        module = build(**options)
        with torch.no_grad():
            for name, parameter in module.named_parameters():
                if name.endswith("relative_position_bias_table"):
                    parameter.normal_(0.0, 1.0)
                elif name.endswith("logit_scale"):  # the last beyond the largest that is used, log(100)
                    parameter.copy_(torch.linspace(1.0, 5.0, len(parameter)).reshape(-1, 1, 1))
                elif parameter.ndim == 2:
                    parameter.normal_(0.0, parameter.shape[1] ** -0.5)
                elif name.endswith("weight") and parameter.ndim == 1:
                    parameter.normal_(1.0, 0.2)
                elif name.endswith("bias"):
                    parameter.normal_(0.0, 0.2)
        return module

    return built


def reference(name, *, size=64, **options):
    """torchvision's model of that name in evaluation mode, its norms not those of the start, and its arrays.

    Statistics are those of the images that are compared and two more. With statistics that fit nothing the signal dies
    out on its way through a deep network, and logits no longer depend on the images; or it grows, and with it rounding
    errors, until PyTorch's own float32 and float64 have nothing in common.
    """
    torch = pytorch.torch()
    pytorch.torchvision()
    from torchvision import models as theirs

    torch.manual_seed(0)
    module = getattr(theirs, name)(weights=None, **options).eval()
    norms = [layer for layer in module.modules() if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm)]
    momenta = [layer.momentum for layer in norms]
    with torch.no_grad():
        for layer in norms:
            layer.weight.uniform_(0.5, 1.5)
            layer.bias.normal_(0.0, 0.1)
            layer.running_mean.normal_(0.0, 0.1)
            layer.running_var.uniform_(0.5, 2.0)
            layer.train().momentum = 1.0
        if norms:
            module(torch.tensor(images_of(4, size)).movedim(-1, 1))
    for layer, momentum in zip(norms, momenta, strict=True):
        layer.momentum = momentum
    module.eval()
    return module, {key: tensor.numpy() for key, tensor in module.state_dict().items()}


def assert_parity(name, build, *, size, gradient=False, rtol=1e-4, **options):
    """``build(num_classes=1000)`` has the logits, the parameter count and, if asked, the gradients of torchvision's
    ``name`` with ``options``; and the arrays come back bit for bit.

    Where PyTorch's own float32 is further than ``rtol`` from its float64, the logits are compared in float64.
    """
    torch = pytorch.torch()
    module, arrays = reference(name, size=size, **options)
    model = build(num_classes=1000)
    how = layout(model)
    images = images_of(2, size)
    shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), images, train=False))
    variables = from_pytorch(arrays, shapes, **how)
    assert parameter_count(shapes["params"]) == sum(p.numel() for p in module.parameters())
    for key, array in to_pytorch(variables, **how).items():
        np.testing.assert_array_equal(array, arrays[key])
    tensor = torch.tensor(images).movedim(-1, 1)
    with torch.no_grad():
        rounded = module(tensor)
        theirs = module.double()(tensor.double())
    assert (theirs[0] - theirs[1]).abs().max() > 0.01 * theirs.abs().max(), "the logits hardly depend on the images"
    ours = jax.jit(lambda variables: model.apply(variables, images, train=False))(variables)
    if (rounded - theirs).abs().max() < rtol / 2 * theirs.abs().max():
        pytorch.assert_close(ours, theirs, rtol)
    elif not gradient:
        with jax.enable_x64(True):
            double, exact = build(num_classes=1000, dtype=jnp.float64), _in_double(variables)
            ours = jax.jit(lambda exact: double.apply(exact, jnp.asarray(images, jnp.float64), train=False))(exact)
        pytorch.assert_close(ours, theirs, rtol / 100)
    if gradient:
        _assert_same_gradients(module, build(num_classes=1000, dtype=jnp.float64), variables, images, how["flattened"])


def assert_same_step(name, build, *, size, **options):
    """One step of SGD on four images leaves ``build(num_classes=1000)`` with the parameters and running statistics with
    which it leaves torchvision's ``name``, without dropout and stochastic depth. In float64 as gradients are.

    The losses of auxiliary classifiers are weighted as the model says.
    """
    torch, labels = pytorch.torch(), np.arange(4)
    module, arrays = reference(name, size=size, **options)
    model = build(num_classes=1000)
    fields = [field.name for field in dataclasses.fields(model)]
    model = model.clone(**{each: 0.0 for each in fields if "dropout" in each or each == "stochastic_depth"})
    how, images = layout(model), images_of(4, size)
    shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), images, train=False))
    model, images = model.clone(dtype=jnp.float64), images.astype(np.float64)
    from torchvision.ops import StochasticDepth as Depth

    settings = {"momentum": 0.9, "nesterov": True}
    optimizer = optim.create("sgd", learning_rate=0.1, l2=0.01, mask=None, **settings)
    with jax.enable_x64(True):
        variables = _in_double(from_pytorch(arrays, shapes, **how))
        state = create_state(model, optimizer, jax.random.key(0), images, variables=variables)
        state, _ = make_train_step(model, optimizer, losses.cross_entropy)(state, {"images": images, "labels": labels})
        ours = to_pytorch(jax.device_get(state.variables), **how)

    for layer in module.double().train().modules():
        if isinstance(layer, torch.nn.Dropout | Depth):
            layer.p = 0.0
    theirs = torch.optim.SGD(module.parameters(), lr=0.1, weight_decay=0.01, **settings)
    outputs = module(torch.tensor(images).movedim(-1, 1))
    logits, *auxiliary = [outputs] if isinstance(outputs, torch.Tensor) else outputs
    each = [torch.nn.functional.cross_entropy(found, torch.tensor(labels)) for found in (logits, *auxiliary)]
    (each[0] + sum(model.auxiliary_weight * loss for loss in each[1:])).backward()
    theirs.step()
    after = {key: tensor.numpy() for key, tensor in module.state_dict().items() if not key.endswith(COUNTER)}
    assert ours.keys() == after.keys()
    for key, array in ours.items():
        largest = max(np.abs(after[key]).max(), 1e-10)  # the slope of a bias before a norm is rounding, and it stays 0
        np.testing.assert_allclose(array, after[key], rtol=1e-5, atol=1e-5 * largest, err_msg=key)


def assert_built_alike(name, build, *, size=224):
    """``build(num_classes=1000)`` has the arrays of torchvision's ``name`` by name and shape, its published number of
    parameters, the constants of its norms by name, and its fractions of dropout and stochastic depth in order.

    Nothing is computed, however large the network is.
    """
    torch, models = pytorch.torch(), pytorch.torchvision().models
    with torch.device("meta"):
        module = getattr(models, name)()
    theirs = {key: tuple(array.shape) for key, array in module.state_dict().items() if not key.endswith(COUNTER)}
    model, norms, rates = build(num_classes=1000), {}, []

    def note(call, args, kwargs, context):
        layer, found = context.module, ".".join(context.module.path)
        if isinstance(layer, nn.BatchNorm):
            norms[found] = layer.epsilon, 1 - layer.momentum
        elif isinstance(layer, nn.LayerNorm):
            norms[found] = (layer.epsilon,)
        elif isinstance(layer, StochasticDepth) or (isinstance(layer, nn.Dropout) and not layer.broadcast_dims):
            rates.append(layer.rate)
        return call(*args, **kwargs)

    with nn.intercept_methods(note):
        shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.zeros((1, size, size, 3)), train=False))
    zeros = jax.tree.map(lambda leaf: np.broadcast_to(np.int8(0), leaf.shape), shapes)
    assert {key: array.shape for key, array in to_pytorch(zeros).items()} == theirs
    published = {weights.meta["num_params"] for weights in models.get_model_weights(name)}
    assert parameter_count(shapes["params"]) in published
    expected, dropped = _constants(module)
    assert set(norms) == set(expected)
    for key, constants in expected.items():
        assert norms[key] == pytest.approx(constants), key
    assert [rate for rate in rates if rate] == pytest.approx([rate for rate in dropped if rate])


def _constants(module):
    """Of a module of torchvision's: the constants of its norms by name; and the fractions that its layers drop."""
    torch = pytorch.torch()
    from torchvision.ops import StochasticDepth as Depth

    norms, rates = {}, []
    for key, layer in module.named_modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            norms[key] = layer.eps, layer.momentum
        elif isinstance(layer, torch.nn.LayerNorm):
            norms[key] = (layer.eps,)
        elif isinstance(layer, torch.nn.Dropout | Depth):
            block = module.get_submodule(key.rpartition(".")[0])
            rates.append(layer.p if getattr(block, "use_res_connect", True) else 0.0)
    return norms, rates


def assert_drawn_alike(model, build, *, size=64):
    """The initial values of ``model`` are as those of the module that ``build`` gives: what is constant is the same;
    what is drawn has the same spread and the same extent, which tells a uniform distribution from a normal one, where
    it is large enough to tell."""
    pytorch.torch().manual_seed(0)
    theirs = build().state_dict()
    ours = to_pytorch(initial_variables(model, jax.random.key(0), jnp.zeros((1, size, size, 3))), **layout(model))
    assert set(ours) == {key for key in theirs if not key.endswith(COUNTER)}
    for name, array in ours.items():
        expected = theirs[name].numpy()
        assert array.shape == expected.shape, name
        if expected.std() == 0:
            np.testing.assert_array_equal(array, expected, err_msg=name)
        elif array.size < 1000:
            assert abs(array).max() == pytest.approx(abs(expected).max(), rel=0.8), name
        else:
            assert array.std() == pytest.approx(expected.std(), rel=0.15), name
            assert abs(array).max() == pytest.approx(abs(expected).max(), rel=0.35), name


def _assert_same_gradients(module, model, variables, images, flattened):
    """And the same logits. In float64: in float32 a rounding error turns a ReLU or the choice of a maximum over, and
    changes single gradients by a tenth, also between PyTorch's own float32 and float64."""
    torch, labels = pytorch.torch(), np.array([3, 500])
    expected = module(torch.tensor(images).double().movedim(-1, 1))
    torch.nn.functional.cross_entropy(expected, torch.tensor(labels)).backward()
    slopes = {key: parameter.grad.numpy() for key, parameter in module.named_parameters()}
    with jax.enable_x64(True):
        images, variables = jnp.asarray(images, jnp.float64), _in_double(variables)

        def loss(params):
            logits = model.apply({**variables, "params": params}, images, train=False)
            return losses.cross_entropy(logits, jnp.asarray(labels)).mean(), logits

        gradients, logits = jax.jit(jax.grad(loss, has_aux=True))(variables["params"])
    pytorch.assert_close(logits, expected.detach(), 1e-6)
    for key, array in to_pytorch({"params": gradients}, flattened=flattened).items():
        pytorch.assert_close(array, slopes[key], 1e-5)


def _in_double(variables):
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), variables)
