"""A model of ours beside torchvision's, with the same random parameters and statistics."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxdl import losses
from jaxdl.train.state import parameter_count
from jaxdl.transfer.conversion import from_pytorch, to_pytorch
from tests import pytorch


def reference(name, *, size=64, **options):
    """torchvision's model of that name in evaluation mode, its norms not those of the start, and its arrays.

    Statistics are those of random images: with statistics that fit nothing the signal dies out on its way through a
    deep network, and logits no longer depend on the images.
    """
    torch = pytorch.torch()
    pytorch.torchvision()
    from torchvision import models as theirs

    torch.manual_seed(0)
    module = getattr(theirs, name)(weights=None, **options).eval()
    norms = [layer for layer in module.modules() if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm)]
    with torch.no_grad():
        for layer in norms:
            layer.weight.uniform_(0.5, 1.5)
            layer.bias.normal_(0.0, 0.1)
            layer.running_mean.normal_(0.0, 0.1)
            layer.running_var.uniform_(0.5, 2.0)
            layer.train().momentum = 1.0
        if norms:
            module(torch.randn(4, 3, size, size))
    module.eval()
    return module, {key: tensor.numpy() for key, tensor in module.state_dict().items()}


def assert_parity(name, build, *, size, gradient=False, rtol=1e-4, **options):
    """``build(num_classes=1000)`` has the logits, the parameter count and, if asked, the gradients of torchvision's
    ``name`` with ``options``; and the arrays come back bit for bit."""
    torch = pytorch.torch()
    module, arrays = reference(name, size=size, **options)
    model = build(num_classes=1000)
    flattened = getattr(model, "flattened", {})
    images = np.random.default_rng(0).normal(size=(2, size, size, 3)).astype(np.float32)
    shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), images, train=False))
    variables = from_pytorch(arrays, shapes, flattened=flattened)
    assert parameter_count(shapes["params"]) == sum(p.numel() for p in module.parameters())
    theirs = module(torch.tensor(images).movedim(-1, 1))
    ours = jax.jit(lambda variables: model.apply(variables, images, train=False))(variables)
    pytorch.assert_close(ours, theirs.detach(), rtol)
    assert (theirs[0] - theirs[1]).abs().max() > 0.01 * theirs.abs().max(), "the logits hardly depend on the images"
    for key, array in to_pytorch(variables, flattened=flattened).items():
        np.testing.assert_array_equal(array, arrays[key])
    if gradient:
        _assert_same_gradients(module.double(), build(num_classes=1000, dtype=jnp.float64), arrays, images, flattened)


def _assert_same_gradients(module, model, arrays, images, flattened):
    """In float64: in float32 a rounding error turns a ReLU or the choice of a maximum over, and changes single
    gradients by a tenth, also between PyTorch's own float32 and float64."""
    torch, labels = pytorch.torch(), np.array([3, 500])
    logits = module(torch.tensor(images).double().movedim(-1, 1))
    torch.nn.functional.cross_entropy(logits, torch.tensor(labels)).backward()
    expected = {key: parameter.grad.numpy() for key, parameter in module.named_parameters()}
    with jax.enable_x64(True):
        images = jnp.asarray(images, jnp.float64)
        shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), images, train=False))
        variables = jax.tree.map(
            lambda leaf: jnp.asarray(leaf, jnp.float64), from_pytorch(arrays, shapes, flattened=flattened)
        )

        def loss(params):
            logits = model.apply({**variables, "params": params}, images, train=False)
            return losses.cross_entropy(logits, jnp.asarray(labels)).mean()

        gradients = jax.jit(jax.grad(loss))(variables["params"])
    for key, array in to_pytorch({"params": gradients}, flattened=flattened).items():
        pytorch.assert_close(array, expected[key], 1e-5)
