"""PyTorch and torchvision as tests use them: a test is skipped where they are not installed."""

import functools
import importlib
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest


def torch():
    """The torch package."""
    return pytest.importorskip("torch")


@functools.cache
def torchvision():
    """The torchvision package, also where its compiled operators are missing."""
    library = torch().library.Library("torchvision", "DEF")
    signature = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import torchvision
        except RuntimeError:  # its operators would have declared themselves on loading
            for name in ("nms", "qnms"):
                library.define(name + signature)
            import torchvision
        except ImportError:
            pytest.skip("torchvision is not installed")
    torchvision.library = library  # or the declarations go with it
    return torchvision


@functools.cache
def detection_ops():
    """torchvision, with its operators of detection in PyTorch's own where the compiled ones are missing.

    Its ``roi_align`` in PyTorch lacks a rule of the compiled one, which is added: that a sample more than a place
    outside the map counts as 0; and another, see ``needs_compiled_ops``: that a cell may have more samples than the map
    has places.
    """
    if not torchvision().extension._has_ops():
        module = importlib.import_module("torchvision.ops.roi_align")
        module._roi_align = module._roi_align.__wrapped__  # not compiled
        module._bilinear_interpolate = _within_the_map(module._bilinear_interpolate)
        torchvision().ops.boxes._assert_has_ops = lambda: None
        torchvision().library.impl("nms", _nms, "CPU")
    return torchvision()


def needs_compiled_ops():
    """Skip a test of what torchvision has in its compiled operators alone."""
    if not torchvision().extension._has_ops():
        pytest.skip("torchvision has no compiled operators here")


def _within_the_map(interpolate):
    """``interpolate`` of samples, which are 0 where they are more than a place outside the map."""

    def wrapped(maps, of_roi, y, x, *masks):
        rows, columns = ((each >= -1) & (each <= side) for each, side in ((y, maps.shape[2]), (x, maps.shape[3])))
        inside = rows[:, None, :, None, :, None] & columns[:, None, None, :, None, :]
        return interpolate(maps, of_roi, y, x, *masks) * inside

    return wrapped


def _nms(boxes, scores, iou_threshold):
    """What ``torchvision::nms`` computes."""
    left, kept = scores.sort(stable=True, descending=True)[1], []
    while len(left):
        kept.append(left[0])
        left = left[1:][~(torchvision().ops.box_iou(boxes[left[:1]], boxes[left[1:]])[0] > iou_threshold)]
    return torch().stack(kept) if kept else torch().zeros(0, dtype=torch().int64)


def channels_first(function):
    """``function`` of [B, C, ...] as one of [B, ..., C]; its other arguments stay as they are."""

    def wrapped(x, *others):
        return function(x.movedim(-1, 1), *others).movedim(1, -1)

    return wrapped


def assert_close(ours, theirs, rtol=1e-5):
    """Equal shapes, and values to ``rtol`` of the largest: sums that cancel keep the error of their terms."""
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert ours.shape == theirs.shape
    largest = np.abs(theirs[np.isfinite(theirs)]).max(initial=0.0)
    np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=rtol * largest)


def assert_same_function(ours, theirs, *arrays, rtol=1e-5):
    """Equal outputs, and equal gradients for every input, of a function of arrays and one of tensors.

    The gradient is that of the output weighted by random numbers.
    """
    tensors = [torch().tensor(np.asarray(array), requires_grad=True) for array in arrays]
    expected = theirs(*tensors)
    value, pull = jax.vjp(jax.jit(ours), *map(jnp.asarray, arrays))
    assert_close(value, expected.detach(), rtol)
    weights = np.random.default_rng(1).normal(size=value.shape).astype(np.float32)
    expected.backward(torch().tensor(weights))
    for gradient, leaf in zip(pull(jnp.asarray(weights)), tensors, strict=True):
        assert_close(gradient, leaf.grad, rtol)
