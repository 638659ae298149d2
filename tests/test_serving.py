"""The exported file runs in a process that cannot import the library, and gives the network's probabilities."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl import models, serving
from jaxdl.errors import UserError
from tests import pytorch

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)
SERVER = """
import sys
from pathlib import Path
sys.modules["jaxdl"] = sys.modules["flax"] = None  # importing either fails
import jax.export, numpy as np
served = jax.export.deserialize(Path(sys.argv[1]).read_bytes())
images = np.load(sys.argv[2])
np.save(sys.argv[3], np.concatenate([served.call(images), served.call(images[:1])]))
"""


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("cifar_cnn", {}),
        pytest.param("densenet121", {"sizes": (2, 2, 2, 2)}, marks=pytest.mark.slow),
        ("quick_cnn", {}),
        pytest.param("resnet18", {"stem": "cifar"}, marks=pytest.mark.slow),
        pytest.param("shufflenet_v2_x0_5", {}, marks=pytest.mark.slow),
        ("vit_b_32", {"stem": "cifar", "depth": 1}),
    ],
)
def test_it_runs_without_the_library_for_any_batch(name, options, tmp_path, rng):
    model = models.create(name, **options)
    images = rng.integers(0, 256, (3, 32, 32, 3), np.uint8)
    scaled = (images / np.float32(255) - np.array(MEAN, np.float32)[None, None, None]) / np.array(STD, np.float32)[
        None, None, None
    ]
    variables = jax.jit(lambda key: model.init(key, scaled, train=False))(jax.random.key(0))
    expected = jax.nn.softmax(jax.jit(lambda v: model.apply(v, scaled, train=False))(variables))
    file = serving.exported(model, variables, image=(32, 32, 3), mean=MEAN, std=STD)
    (tmp_path / "model.jaxexport").write_bytes(file)
    np.save(tmp_path / "images.npy", images)
    paths = [str(tmp_path / name) for name in ("model.jaxexport", "images.npy", "out.npy")]
    subprocess.run([sys.executable, "-c", SERVER, *paths], check=True, cwd=tmp_path)
    out = np.load(tmp_path / "out.npy")
    pytorch.assert_close(out, np.concatenate([expected, expected[:1]]), 1e-4)


def test_mistakes_are_user_errors():
    model = models.create("cifar_cnn")
    variables = model.init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)), train=False)
    with pytest.raises(UserError, match="unknown platform 'gpu'"):
        serving.exported(model, variables, image=(32, 32, 3), platforms=("gpu",))
    with pytest.raises(UserError, match="1024"):
        serving.exported(model, variables, image=(64, 64, 3))
