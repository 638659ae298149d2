import jax
import jax.numpy as jnp

from jaxdl import models, optim


def test_lone_biases_are_those_of_norms_and_of_whitening():
    def lone(name):
        model = models.create(name)
        images = jnp.zeros((1, 32, 32, 3))
        params = jax.eval_shape(lambda: model.init(jax.random.key(0), images, train=False))["params"]
        found = jax.tree.leaves_with_path(optim.lone_biases(params))
        return {".".join(part.key for part in path) for path, chosen in found if chosen}

    assert lone("cifar_cnn") == set()
    assert lone("quick_cnn") == {f"BatchNorm_{number}.bias" for number in range(5)}
    assert lone("speed_cnn") == {"Whiten_0.bias"} | {f"BatchNorm_{number}.bias" for number in range(6)}
    assert {"bn1.bias", "layer1.0.bn2.bias"} < lone("resnet18")
    assert "fc.bias" not in lone("resnet18")
