# %% [markdown]
# # 16 · Pretrained networks, and changing them · 预训练网络与修改
#
# Rows: F2, F4
#
# `torchvision.models.resnet18(weights=...)` becomes `models.create("resnet18")` and a file of weights: PyTorch's own
# `.pth`, read without PyTorch and without running what a pickle asks for. In PyTorch a network is changed by
# assigning to its attributes. Here each change takes a network and its variables and returns another network and its
# variables; what stays is shared, not copied.
#
# `torchvision.models.resnet18(weights=...)` 对应 `models.create("resnet18")` 加一个权重文件：
# 直接读 PyTorch 的 `.pth`，既不需要 PyTorch，也不执行 pickle 中的任何代码。PyTorch 通过给属性赋值来改网络；
# 这里每次修改都返回新的网络和新的参数，未改动的部分共享而不复制。

# %%
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from experiments.course.stage import files, pick
from jaxdl import losses, models, optim, transfer
from jaxdl.errors import UserError
from jaxdl.nn import BatchNorm, Conv, Dense
from jaxdl.train.state import create_state, parameter_count
from jaxdl.train.step import make_train_step
from jaxdl.transfer import safetensors
from jaxdl.transfer.conversion import from_pytorch, layout, to_pytorch
from jaxdl.transfer.torchvision_files import torchvision_weights

key = jax.random.key(0)

# %% [markdown]
# ## The families · 网络家族
#
# Parameters and names are torchvision's. `eval_shape` works out shapes without computing anything.

# %%
published = {
    "resnet18": 11_689_512,
    "vgg16": 138_357_544,
    "inception_v3": 27_161_264,
    "mobilenet_v2": 3_504_872,
    "mobilenet_v3_small": 2_542_856,
    "efficientnet_b0": 5_288_548,
    "vit_b_16": 86_567_656,
}
for name, count in published.items() if pick(full=True, quick=False) else [("resnet18", published["resnet18"])]:
    size = 299 if name == "inception_v3" else 224
    model = models.create(name, num_classes=1000)
    shapes = jax.eval_shape(lambda model=model, size=size: model.init(key, jnp.zeros((1, size, size, 3)), train=False))
    print(f"{name:<20} {parameter_count(shapes['params']):>12,} parameters")
    assert parameter_count(shapes["params"]) == count, name

# %% [markdown]
# ## Weights in · 载入权重
#
# With a network at hand `torchvision_weights("resnet18")` is torchvision's file, downloaded once. The lesson goes on
# without: it writes a file of the same names and layouts and reads that.

# %%
images = jax.random.normal(jax.random.key(1), (4, 32, 32, 3))
model = models.create("resnet18", num_classes=10, stem="cifar")
variables = model.init(key, images, train=False)
try:
    print("here already:", torchvision_weights("resnet18", offline=True))
except UserError as error:
    print(error)

path = files("weights") / "resnet18.safetensors"
safetensors.write(path, to_pytorch(variables, **layout(model)))
arrays = transfer.load_weights(path)
print(len(arrays), "arrays, among them", next(iter(arrays)), next(iter(arrays.values())).shape)
loaded = from_pytorch(arrays, jax.eval_shape(lambda: variables), **layout(model))
logits = model.apply(variables, images, train=False)
np.testing.assert_array_equal(model.apply(loaded, images, train=False), logits)

# %% [markdown]
# A file that does not fit is an error that names both sides; nothing is skipped in silence.

# %%
try:
    from_pytorch({name: each for name, each in arrays.items() if "layer4" not in name}, variables, **layout(model))
except UserError as error:
    print(error)
else:
    raise AssertionError("a file without layer4 was taken")

# %% [markdown]
# ## Another classifier · 替换分类层
#
# `model.fc = nn.Linear(512, 3)`; for VGG `model.classifier[6] = ...`. `replace_head` knows where each family has its
# own.

# %%
new = {"key": jax.random.key(2), "images": images}  # what new layers are drawn from, and what they will see
changed, after = transfer.replace_head(model, variables, num_classes=3, **new)
print("logits", logits.shape, "->", changed.apply(after, images, train=False).shape)
assert changed.apply(after, images, train=False).shape == (4, 3)
assert after["params"]["conv1"]["kernel"] is variables["params"]["conv1"]["kernel"]

# %% [markdown]
# ## Appending, inserting, dropout · 追加、插入、Dropout

# %%
with_softmax, v = transfer.append(changed, after, [nn.softmax], name="probabilities", **new)
shares = with_softmax.apply(v, images, train=False)
print("appended a softmax: sums", shares.sum(-1))
np.testing.assert_allclose(shares.sum(-1), 1, rtol=1e-5)

deeper, v = transfer.insert(
    changed, after, [Conv(128, (3, 3), padding=1), BatchNorm(), nn.relu], after="layer2.1", name="extra", **new
)
print("inserted behind layer2.1:", [name for name in v["params"] if "extra" in name])
assert v["params"]["layer2.extra.0"]["kernel"].shape == (3, 3, 128, 128)

dropping, v = transfer.insert(changed, after, [nn.Dropout(0.5)], before="fc", name="dropout", **new)
twice = [
    dropping.apply(v, images, train=True, rngs={"dropout": jax.random.key(n)}, mutable=["batch_stats"])[0]
    for n in (0, 1)
]
assert (twice[0] != twice[1]).any()
np.testing.assert_array_equal(dropping.apply(v, images, train=False), changed.apply(after, images, train=False))

wider, v = transfer.replace(changed, after, "fc", [Dense(64), nn.relu, Dense(3)], **new)
print("a larger head:", wider.apply(v, images, train=False).shape)

# %% [markdown]
# ## Starting a layer anew · 重新初始化

# %%
again = transfer.reinitialise(changed, after, ["layer4"], **new)
pairs = zip(jax.tree.leaves_with_path(after["params"]), jax.tree.leaves(again["params"]), strict=True)
anew = {path[0].key.split(".")[0] for (path, leaf), other in pairs if (leaf != other).any()}
print("started anew:", anew)
assert anew == {"layer4"}

# %% [markdown]
# ## Freezing · 冻结
#
# `requires_grad = False` for all but the head, and `eval()` for its batch norms, are one argument: patterns of names,
# `!` takes away. What is frozen has no gradient, no optimizer state, no decay, and stays bit for bit.

# %%
optimizer = optim.create("adam", learning_rate=1e-2)
state = create_state(changed, optimizer, jax.random.key(3), images, variables=after, freeze=["*", "!fc"])
print(f"{parameter_count(state.params):,} of {parameter_count(state.variables['params']):,} parameters are trained")
step = make_train_step(changed, optimizer, losses.cross_entropy)
before = np.array(after["params"]["conv1"]["kernel"])
head = np.array(after["params"]["fc"]["kernel"])
for _ in range(3):
    state, measured = step(state, {"images": images, "labels": jnp.array([0, 1, 2, 0])})
assert parameter_count(state.params) == 512 * 3 + 3
np.testing.assert_array_equal(state.variables["params"]["conv1"]["kernel"], before)
assert (state.variables["params"]["fc"]["kernel"] != head).any()

# %% [markdown]
# On the command line: `python -m experiments.cifar --model resnet18 --pretrained torchvision --freeze backbone`.
#
# ## Try · 练习
#
# 1. Freeze everything but `layer4` and `fc`. How many parameters are trained?
# 2. Load only `conv1`, `bn1` and `layer1` of the file: `from_pytorch(arrays, variables, only=[...])`.
