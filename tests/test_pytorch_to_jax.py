"""docs/pytorch-to-jax.md is true: both columns of every row are run on the same input."""

import ast
import dataclasses
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tests import pytorch

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "pytorch-to-jax.md").read_text()
CHANNELS_LAST = ("pixels", "images", "signal", "volume")
MODULE_INPUT = {"1d": "signal", "2d": "images", "3d": "volume", "Embedding": "ids"}
RECURRENT = ("RNN", "LSTM", "GRU")
UPDATES, SCHEDULED = 10, 20

# what the course calls, by the rows of its material
COURSE = {
    "A1": "reshape view contiguous permute transpose t() squeeze unsqueeze",
    "A2": "expand repeat",
    "A3": "cat stack split chunk",
    "A4": "matmul",
    "A5": "floor ceil trunc frac clamp",
    "A6": "dtype device layout",
    "A7": "sparse_coo_tensor to_dense",
    "A8": "add_ dir( help(",
    "B1": "backward autograd.grad zero_",
    "B2": "retain_graph create_graph grad_outputs grad_tensors",
    "C1": "ConcatDataset",
    "C2": "DataLoader batch_size shuffle num_workers drop_last collate_fn pin_memory worker_init_fn",
    "C4": "Compose Resize CenterCrop RandomCrop ToTensor Normalize RandomHorizontalFlip RandomVerticalFlip "
    "RandomRotation ColorJitter Grayscale RandomResizedCrop Lambda",
    "C5": "SummaryWriter add_scalar add_image add_images add_histogram add_graph add_hparams",
    "D1": "Sequential ModuleList ModuleDict parameters named_parameters",
    "D2": "Conv1d Conv2d Conv3d stride padding dilation groups bias",
    "D3": "max_pool1d max_pool2d max_pool3d ceil_mode return_indices avg_pool2d adaptive_avg_pool2d "
    "adaptive_max_pool2d",
    "D4": "relu leaky_relu PReLU sigmoid tanh softmax elu gelu silu",
    "D5": "Linear Flatten Embedding BatchNorm1d BatchNorm2d BatchNorm3d LayerNorm dropout dropout2d",
    "D6": "nn.RNN nn.LSTM nn.GRU num_layers bidirectional",
    "D7": "channel_shuffle DepthwiseSeparableConv",
    "E1": "mse_loss l1_loss cross_entropy ignore_index label_smoothing binary_cross_entropy "
    "binary_cross_entropy_with_logits smooth_l1_loss kl_div reduction",
    "E2": "SGD momentum nesterov Adagrad lr_decay RMSprop alpha Adam AdamW Adadelta NAdam LBFGS max_iter weight_decay",
    "E3": "clip_grad_norm_ clip_grad_value_ StepLR MultiStepLR ExponentialLR CosineAnnealingLR OneCycleLR",
    "E4": "xavier_uniform_ kaiming_normal_",
}


@dataclasses.dataclass(frozen=True)
class Row:
    """A line of a table, and the arrays of its section."""

    arrays: str
    theirs: str
    ours: str
    note: str


def blocks(kind):
    return re.findall(rf"```python {kind}\n(.*?)```", PAGE, re.DOTALL)


def rows():
    for section in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]:
        arrays = re.search(r"```python numpy\n(.*?)```", section, re.DOTALL)[1]
        for line in section.splitlines():
            if line.startswith("| `"):
                theirs, ours, note = (cell.strip() for cell in re.split(r"\s\|(?=\s)", line.strip("|")))
                yield Row(arrays, theirs.strip("`"), ours.strip("`"), note)


ROWS = list(rows())


def namespaces(row):
    """Namespaces of the two columns: the page's imports and the section's arrays, in each library's layout."""
    torch, _ = pytorch.torch(), pytorch.detection_ops()
    plain = {"np": np, "rng": np.random.default_rng(0)}
    exec(row.arrays, plain)
    theirs, ours = dict(plain), dict(plain)
    exec(blocks("pytorch")[0], theirs)
    exec(blocks("jax")[0], ours)
    for name, value in plain.items():
        if isinstance(value, np.ndarray):
            value = value.astype(np.float32) if value.dtype == float else value
            moved = np.moveaxis(value, -1, 1) if name in CHANNELS_LAST else value
            theirs[name], ours[name] = torch.tensor(moved), jnp.asarray(value)
    for space in (theirs, ours):  # functions of the section see their own column's arrays
        for name, value in plain.items():
            if callable(value) and hasattr(value, "__code__"):
                space[name] = type(value)(value.__code__, space)
    return theirs, ours


def evaluate(source, space):
    *first, last = ast.parse(source).body
    exec(compile(ast.Module(first, []), source, "exec"), space)
    return eval(compile(ast.Expression(last.value), source, "eval"), space)


def plain(value, moved):
    """Arrays and numbers as numpy, PyTorch's image batches with their channels last."""
    if isinstance(value, tuple | list):
        return [plain(part, moved) for part in value]
    if hasattr(value, "detach"):
        value = value.detach().numpy()
        return np.moveaxis(value, 1, -1) if moved and value.ndim > 2 else value
    return np.asarray(value) if isinstance(value, jax.Array) else value


def equal(ours, theirs):
    if isinstance(theirs, list):
        return len(ours) == len(theirs) and all(equal(a, b) for a, b in zip(ours, theirs, strict=True))
    if isinstance(theirs, np.ndarray | np.floating):
        try:
            pytorch.assert_close(ours, theirs)
        except AssertionError as difference:
            print(difference)
            return False
        return True
    return ours == theirs


def leaf_params(module):
    """Parameters and statistics of each leaf module in order, as flax has them."""
    arrays = {name: tensor.detach().numpy() for name, tensor in module.state_dict().items()}
    kind = type(module).__name__
    if list(module.children()):
        return [params for child in module.children() for params in leaf_params(child)]
    if kind in RECURRENT:
        return [arrays]
    names = {"bias": "bias"}
    if kind.startswith("Conv"):
        names["weight"] = "kernel"
        arrays["weight"] = np.moveaxis(arrays["weight"], (0, 1), (-1, -2))
    elif kind == "Linear":
        names["weight"] = "kernel"
        arrays["weight"] = arrays["weight"].T
    else:
        names["weight"] = {"Embedding": "embedding", "PReLU": "slope"}.get(kind, "scale")
    return [{names[name]: arrays[name] for name in arrays if name in names}] if arrays else []


def filled(tree, layers):
    """``tree``, in the order in which flax made it, with each layer's leaves replaced by the next of ``layers``."""
    if all(hasattr(leaf, "shape") for leaf in tree.values()):
        layer = layers.pop(0)
        assert {name: leaf.shape for name, leaf in tree.items()} == {name: leaf.shape for name, leaf in layer.items()}
        return layer
    return {name: filled(branch, layers) for name, branch in tree.items()}


def run_modules(row, theirs, ours):
    """Both modules on the input that their kind takes, ours with PyTorch's parameters."""
    module, space = theirs[0], theirs[1]
    text = str(module)
    name = next((name for part, name in MODULE_INPUT.items() if part in text), "features")
    name = "sequence" if type(module).__name__ in RECURRENT else name
    expected = module.eval()(space[name])
    layer, x = ours[0], ours[1][name]
    arguments = {"train": False} if type(module).__name__ in RECURRENT else {}
    variables = layer.init(jax.random.key(0), x, **arguments)
    if "params" in variables:
        variables = {**variables, "params": filled(variables["params"], leaf_params(module))}
    return layer.apply(variables, x, **arguments), expected, name


def run_optimizers(optimizer, transformation, start):
    """The weights after each of some updates on one fixed function."""
    torch = pytorch.torch()
    (weights,) = optimizer.param_groups[0]["params"]
    weights.requires_grad_()

    def bowl(value, cos):
        return (0.025 * value**4 - cos(3 * value) / 3).sum()

    def closure():
        optimizer.zero_grad()
        value = bowl(weights, torch.cos)
        value.backward()
        return value

    params = {"kernel": start}
    state = transformation.init(params)
    update = jax.jit(
        lambda params, state: optax.with_extra_args_support(transformation).update(
            jax.grad(lambda p: bowl(p["kernel"], jnp.cos))(params),
            state,
            params,
            value=bowl(params["kernel"], jnp.cos),
            grad=jax.grad(lambda p: bowl(p["kernel"], jnp.cos))(params),
            value_fn=lambda p: bowl(p["kernel"], jnp.cos),
        )
    )
    ours, theirs = [], []
    for _ in range(UPDATES):
        optimizer.step(closure)
        updates, state = update(params, state)
        params = optax.apply_updates(params, updates)
        theirs.append(weights.detach().clone())
        ours.append(params["kernel"])
    return ours, theirs


def run_schedules(scheduler, schedule):
    theirs = []
    for _ in range(SCHEDULED):
        theirs.append(scheduler.get_last_lr()[0])
        scheduler.optimizer.step()
        scheduler.step()
    return jnp.stack([jnp.asarray(schedule(step)) for step in range(SCHEDULED)]), np.array(theirs, np.float32)


def outcome(row):
    """Values of both columns, as numpy arrays."""
    torch = pytorch.torch()
    their_space, our_space = namespaces(row)
    start = our_space.get("weights")
    with jax.numpy_rank_promotion("allow"):
        theirs = evaluate(row.theirs, their_space)
        if row.ours == "no counterpart":
            return None
        ours = evaluate(row.ours, our_space)
        moved = any(re.search(rf"\b{name}\b", row.theirs) for name in CHANNELS_LAST)
        if isinstance(theirs, torch.nn.Module):
            ours, theirs, name = run_modules(row, (theirs, their_space), (ours, our_space))
            moved = name in CHANNELS_LAST
        elif isinstance(theirs, torch.optim.lr_scheduler.LRScheduler):
            ours, theirs = run_schedules(theirs, ours)
        elif isinstance(theirs, torch.optim.Optimizer):
            ours, theirs = run_optimizers(theirs, ours, start)
    return plain(ours, moved), plain(theirs, moved)


def test_the_page_has_a_row_for_every_call_of_the_course():
    for item, calls in COURSE.items():
        for call in calls.split():
            assert re.search(rf"(?<![A-Za-z]){re.escape(call)}", PAGE), f"{item}: {call}"


def test_notes_say_what_they_mean():
    assert len(ROWS) > 140
    for row in ROWS:
        assert row.note or row.ours
        for word in re.findall(r"\*\*(.*?)\*\*", row.note):
            assert word in ("differs", "random"), row


@pytest.mark.long
@pytest.mark.parametrize("row", ROWS, ids=[row.theirs[:60] for row in ROWS])
def test_row_is_true(row):
    results = outcome(row)
    if results is None:
        return
    ours, theirs = results
    if "**random**" in row.note:
        flat = ours if isinstance(ours, list) else [ours], theirs if isinstance(theirs, list) else [theirs]
        for a, b in zip(*flat, strict=True):
            assert a.shape == b.shape
            assert a.dtype.kind == b.dtype.kind
        return
    assert equal(ours, theirs) == ("**differs**" not in row.note), (ours, theirs)
