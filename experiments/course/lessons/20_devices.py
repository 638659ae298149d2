# %% [markdown]
# # 20 · Devices · 设备与并行
#
# Rows: G4
#
# In PyTorch the model, the loss and each batch are moved to the GPU, and a model is wrapped for several. In JAX
# arrays are born on the accelerator, and it is the *step* that is placed: on one device, under `pmap`, or over a
# mesh. The numbers are the same in all three. To show it without a machine full of GPUs, this lesson cuts the CPU
# into eight simulated devices.
#
# PyTorch 要把模型、损失和每个批次搬到 GPU，多卡时再包装模型。JAX 的数组生来就在加速器上，
# 被安排到设备上的是*训练步骤*：单设备、`pmap`、或设备网格，三者结果相同。本课把 CPU 模拟成八个设备，
# 没有多块 GPU 也能看到。

# %%
import os
import time

import jax

if "xla_force_host_platform_device_count" not in os.environ.get("XLA_FLAGS", ""):
    jax.config.update("jax_num_cpu_devices", 8)  # before jax is first used

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
import optax

from jaxdl import losses, optim
from jaxdl.data import augment, pipeline, sources
from jaxdl.nn import Conv, Dense, batch_norm, global_average_pool
from jaxdl.train import parallel
from jaxdl.train.state import create_state
from jaxdl.train.step import make_train_step

# %% [markdown]
# ## What there is · 有哪些设备
#
# `torch.cuda.is_available()` is a question to `jax.devices()`. No `.to(device)` follows: the first accelerator is the
# default. `jax.device_put` moves an array somewhere else.

# %%
devices = jax.devices()
print(len(devices), "devices:", devices[0].platform, " default backend:", jax.default_backend())
second = jax.device_put(jnp.ones(3), devices[1])
print("an array on", second.device, "; what is computed from it stays there:", (second * 2).device)
assert len(devices) >= 2
assert (second * 2).device == devices[1]

# %% [markdown]
# ## Timing · 计时
#
# Work is queued: a call returns before the result is there, as CUDA's does. `block_until_ready` is
# `torch.cuda.synchronize`, and the first call compiles, so it is not timed.

# %%
square = jax.jit(lambda x: x @ x)
x = jax.random.normal(jax.random.key(0), (1500, 1500))
square(x).block_until_ready()
began = time.perf_counter()
result = square(x)
returned = time.perf_counter() - began
result.block_until_ready()
finished = time.perf_counter() - began
print(f"the call returned after {1e3 * returned:.2f} ms, the result was there after {1e3 * finished:.2f} ms")

# %% [markdown]
# ## One step, three ways · 同一个步骤的三种运行方式
#
# `DataParallel` and `DistributedDataParallel` are `parallel.pmap()` or `parallel.mesh()`. Batch norm sees the whole
# batch (PyTorch needs `SyncBatchNorm` for it), and random augmentation draws the same.

# %%
digits = sources.load("digits")


class SmallNet(nn.Module):
    """Two convolutions with batch norm, and a linear layer."""

    @nn.compact
    def __call__(self, x, *, train: bool):
        for channels in (16, 32):
            x = Conv(channels, (3, 3), stride=2, padding=1)(x)
            x = nn.relu(batch_norm(train=train)()(x))
        return Dense(10)(global_average_pool(x))


model = SmallNet()
optimizer = optim.create("sgd", learning_rate=0.1, momentum=0.9)
step = make_train_step(model, optimizer, losses.cross_entropy, augment=augment.pipeline(crop_padding=2))
sample = augment.normalize(digits.train.images[:1])


def trained(where, updates=2):
    """The parameters and the last loss after a few updates on these devices."""
    compiled = where.compile(step)
    state = where.put(create_state(model, optimizer, jax.random.key(0), sample))
    for number in range(updates):
        batch = pipeline.train_batch(digits.train, number, batch_size=32, seed=0)
        state, measured = compiled(state, where.place(batch))
    return where.fetch(state).params, float(measured["loss"].value)


ways = {
    "one device": parallel.single(),
    "pmap over 4": parallel.pmap(devices[:4]),
    "mesh of 4": parallel.mesh(data=4, devices=devices[:4]),
    "mesh of 2 x 2": parallel.mesh(data=2, fsdp=2, devices=devices[:4]),
}
results = {name: trained(where) for name, where in ways.items()}
reference, _ = results["one device"]
for name, (params, loss) in results.items():
    apart = optax.tree.norm(optax.tree.sub(params, reference)) / optax.tree.norm(reference)
    print(f"{name:<14} loss {loss:.6f}, parameters {float(apart):.1e} from one device's")
    assert apart < 1e-4

# %% [markdown]
# Under a mesh the batch is divided by rows, one part a device, and with `fsdp` large parameters too:

# %%
where = ways["mesh of 4"]
placed = where.place(pipeline.train_batch(digits.train, 0, batch_size=32, seed=0))
images = placed["images"]
print("a batch of 32 lies as", {shard.data.shape for shard in images.addressable_shards})

# %% [markdown]
# ## By hand · 手写 pmap
#
# What that is made of: the same function on each device, and a mean across them. Gradients of parts, averaged, are
# the gradient of the whole.


# %%
def loss(w, x, y):
    return jnp.mean((x @ w - y) ** 2)


x, w = jax.random.normal(jax.random.key(1), (4, 8, 3)), jnp.array([1.0, -2.0, 0.5])
y = x @ w + 0.1
start = jnp.zeros(3)
averaged = jax.pmap(
    lambda x, y: jax.lax.pmean(jax.grad(loss)(start, x, y), "batch"), axis_name="batch", devices=devices[:4]
)(x, y)
whole = jax.grad(loss)(start, x.reshape(32, 3), y.reshape(32))
print("on each of four devices", np.asarray(averaged[0]), "\non one, of all rows      ", whole)
np.testing.assert_allclose(averaged[0], whole, rtol=1e-5)
np.testing.assert_array_equal(averaged[0], averaged[3])

# %% [markdown]
# Eight simulated devices share this CPU, so nothing here is faster than one. On real ones the command line says
# `--parallel pmap` or `--mesh data=4,fsdp=2`; several machines are `--coordinator`.
#
# ## Try · 练习
#
# 1. Place a batch of 30 on a mesh of four: it is padded and masked. Are the numbers still those of one device?
# 2. Replace `pmean` by `psum`. What has to change in the learning rate?
