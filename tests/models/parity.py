"""A model of ours beside torchvision's, with the same random parameters and statistics."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxdl import losses
from jaxdl.train.state import parameter_count
from jaxdl.transfer.conversion import from_pytorch, layout, to_pytorch
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
    with torch.no_grad():
        for layer in norms:
            layer.weight.uniform_(0.5, 1.5)
            layer.bias.normal_(0.0, 0.1)
            layer.running_mean.normal_(0.0, 0.1)
            layer.running_var.uniform_(0.5, 2.0)
            layer.train().momentum = 1.0
        if norms:
            module(torch.tensor(images_of(4, size)).movedim(-1, 1))
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
