# %% [markdown]
# # 17 · Saving and loading · 保存与加载
#
# Rows: F5
#
# `torch.save(model)` pickles a whole object: to load it, code of that name must run. Here there are arrays and plain
# text: parameters in safetensors, a network's structure as JSON beside them, and a run's whole state in checkpoints
# with checksums. Nothing that is loaded can run.
#
# `torch.save(model)` 用 pickle 保存整个对象，加载时必须执行对应的代码。这里只有数组和文本：参数存为 safetensors，
# 网络结构存为旁边的 JSON，训练的完整状态存为带校验和的检查点。加载时不会执行任何代码。

# %%
import jax
import jax.numpy as jnp
import numpy as np

from experiments.course.stage import files
from jaxdl import losses, models, optim, saved_model, serving, transfer
from jaxdl.checkpoint import Checkpoints
from jaxdl.data import augment, pipeline, sources
from jaxdl.train.state import create_state
from jaxdl.train.step import make_train_step
from jaxdl.transfer import safetensors
from jaxdl.transfer.conversion import from_pytorch, layout, to_pytorch

folder = files("saved")
digits = sources.load("digits")
model = models.create("cifar_cnn", num_classes=10)
optimizer = optim.create("sgd", learning_rate=0.05, momentum=0.9)
step = make_train_step(model, optimizer, losses.cross_entropy, augment=augment.pipeline())
images = augment.normalize(digits.test.images[:8])


def trained(state, until):
    """The state after update number ``until``; the batch of each update follows from its number."""
    loss = None
    for number in range(int(state.step), until):
        batch = pipeline.train_batch(digits.train, number, batch_size=32, seed=0)
        state, measured = step(state, batch)
        loss = float(measured["loss"].value)
    return state, loss


def fresh():
    """The state before the first update."""
    return create_state(model, optimizer, jax.random.key(0), images)


state, loss = trained(fresh(), 10)
logits = model.apply(state.variables, images, train=False)
print(f"after 10 updates: loss {loss:.4f}")

# %% [markdown]
# ## Parameters alone · 只保存参数
#
# `torch.save(model.state_dict())`. The names and layouts are PyTorch's, so the file loads there, too.

# %%
path = folder / "weights.safetensors"
safetensors.write(path, to_pytorch(state.variables, **layout(model)))
shapes = jax.eval_shape(lambda: state.variables)
loaded = from_pytorch(transfer.load_weights(path), shapes, **layout(model))
print(path.name, f"{path.stat().st_size:,} bytes")
np.testing.assert_array_equal(model.apply(loaded, images, train=False), logits)

# %% [markdown]
# ## Part of the parameters · 只加载一部分
#
# `load_state_dict(part, strict=False)` takes what fits in silence; here you say which part.

# %%
first = next(iter(state.params))
other = model.init(jax.random.key(9), images, train=False)
part = from_pytorch(transfer.load_weights(path), other, only=[first], **layout(model))
same = [
    bool((mine == theirs).all()) for mine, theirs in zip(jax.tree.leaves(part), jax.tree.leaves(loaded), strict=True)
]
print(f"only {first}: {sum(same)} of {len(same)} leaves are those of the file")
assert sum(same) == 2

# %% [markdown]
# ## The whole network · 保存整个网络
#
# A folder: what it is as JSON, weights beside it. Whoever loads it need not know the class; and as a function from
# pixels to probabilities it needs jax alone.

# %%
saved_model.save_model(folder / "network", model, state.variables, image=(32, 32, 3), about={"classes": digits.classes})
again = saved_model.load_model(folder / "network")
print("loaded", type(again.model).__name__, again.image, "classes", "".join(again.about["classes"]))
np.testing.assert_array_equal(again.model.apply(again.variables, images, train=False), logits)

served = serving.exported(model, state.variables, image=(32, 32, 3))
shares = jax.export.deserialize(served).call(jnp.asarray(digits.test.images[:8]))
np.testing.assert_allclose(shares, jax.nn.softmax(logits), atol=1e-5)

# %% [markdown]
# ## A checkpoint to resume from · 断点续训
#
# The notes save epoch, model, optimizer and loss. The train state is all of that in one tree: parameters, running
# statistics, the optimizer's state, the step, the random key. As a batch is a function of (seed, step), nothing else
# is needed: stopped and resumed is equal, bit for bit, to never stopped.

# %%
with Checkpoints(folder / "checkpoints") as checkpoints:
    checkpoints.save(state, {"loss": loss})
    checkpoints.wait()
    resumed, notes = checkpoints.restore(fresh())
print("resumed at step", int(resumed.step), "with the note", notes)

resumed, _ = trained(resumed, 20)
never_stopped, _ = trained(fresh(), 20)
for mine, theirs in zip(jax.tree.leaves(resumed.params), jax.tree.leaves(never_stopped.params), strict=True):
    np.testing.assert_array_equal(mine, theirs)
momentum = jax.tree.leaves(resumed.opt_state)
assert any((np.asarray(leaf) != 0).any() for leaf in momentum)  # the optimizer's state came along
for mine, theirs in zip(momentum, jax.tree.leaves(never_stopped.opt_state), strict=True):
    np.testing.assert_array_equal(mine, theirs)
print("20 updates in one go and 10 + 10: every bit equal")

# %% [markdown]
# ## Saved on a GPU, loaded on a CPU · 跨设备加载
#
# `map_location` has no counterpart to remember: a file holds arrays, and they go to the device that is there, or to
# the one named.

# %%
on_cpu = saved_model.load_model(folder / "network", device=jax.devices("cpu")[0])
leaf = jax.tree.leaves(on_cpu.variables)[0]
print("loaded on", leaf.device)
assert leaf.device.platform == "cpu"

# %% [markdown]
# ## Try · 练习
#
# 1. Damage a byte of a checkpoint and restore again. (Two are kept; the one before is taken, and you are told.)
# 2. `python -m jaxdl export RUN` writes all of this for a run of `experiments.cifar`.
