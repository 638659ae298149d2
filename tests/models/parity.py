"""A model of ours beside torchvision's, with the same random parameters and statistics."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxdl import losses
from jaxdl.train.state import parameter_count
from jaxdl.transfer.conversion import from_pytorch, to_pytorch
from tests import pytorch


def reference(name, **options):
    """torchvision's model of that name in evaluation mode, its statistics not those of the start, and its arrays."""
    torch = pytorch.torch()
    pytorch.torchvision()
    from torchvision import models as theirs

    torch.manual_seed(0)
    module = getattr(theirs, name)(weights=None, **options).eval()
    for layer in module.modules():
        if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm):
            layer.running_mean.normal_(0.0, 0.1)
            layer.running_var.uniform_(0.5, 2.0)
    return module, {key: tensor.numpy() for key, tensor in module.state_dict().items()}


def assert_parity(name, build, *, size, gradient=False, rtol=1e-4, **options):
    """``build(num_classes=1000)`` has the logits, the parameter count and, if asked, the gradients of torchvision's
    ``name`` with ``options``; and the arrays come back bit for bit."""
    torch = pytorch.torch()
    module, arrays = reference(name, **options)
    model = build(num_classes=1000)
    flattened = getattr(model, "flattened", {})
    images = np.random.default_rng(0).normal(size=(2, size, size, 3)).astype(np.float32)
    shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), images, train=False))
    variables = from_pytorch(arrays, shapes, flattened=flattened)
    assert parameter_count(shapes["params"]) == sum(p.numel() for p in module.parameters())
    theirs = module(torch.tensor(images).movedim(-1, 1))
    ours = jax.jit(lambda variables: model.apply(variables, images, train=False))(variables)
    pytorch.assert_close(ours, theirs.detach(), rtol)
    for key, array in to_pytorch(variables, flattened=flattened).items():
        np.testing.assert_array_equal(array, arrays[key])
    if gradient:
        labels = np.array([3, 500])

        @jax.jit
        def slopes(params):
            def loss(params):
                logits = model.apply({**variables, "params": params}, images, train=False)
                return losses.cross_entropy(logits, jnp.asarray(labels)).mean()

            return jax.grad(loss)(params)

        torch.nn.functional.cross_entropy(theirs, torch.tensor(labels)).backward()
        expected = {key: parameter.grad.numpy() for key, parameter in module.named_parameters()}
        for key, array in to_pytorch({"params": slopes(variables["params"])}, flattened=flattened).items():
            pytorch.assert_close(array, expected[key], 10 * rtol)
