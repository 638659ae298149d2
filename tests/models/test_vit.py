from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl.errors import UserError
from jaxdl.models import vit
from tests import pytorch
from tests.models.parity import assert_built_alike, assert_drawn_alike, assert_parity

SLOW = ["vit_b_16", "vit_b_32", "vit_l_16", "vit_l_32", "vit_h_14"]  # gigabytes each

small = partial(vit.VisionTransformer, 16, 2, 3, 48)


def drawn(build):
    """torchvision's ``build`` with normal values where it starts from 0 or 1: its logits would all be 0.

    The first tokens are small, so that the epsilon of the norms shows.
    """

    def built(weights=None, **options):
        torch = pytorch.torch()
        module = build(**options)
        with torch.no_grad():
            for name, parameter in module.named_parameters():
                if parameter.ndim == 1 or name in ("class_token", "heads.head.weight"):
                    parameter.normal_(1.0 if "ln" in name else 0.0, 0.02)
            module.conv_proj.weight.mul_(0.01)
        return module

    return built


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow) for name in SLOW])
def test_logits_equal_torchvisions(name, monkeypatch):
    models = pytorch.torchvision().models
    monkeypatch.setattr(models, name, drawn(getattr(models, name)))
    size = 56 if name == "vit_h_14" else 64
    assert_parity(name, getattr(vit, name), size=size, image_size=size, gradient=name == "vit_b_16")


def test_logits_and_gradients_of_a_small_one_equal_torchvisions(monkeypatch):
    models = pytorch.torchvision().models
    sizes = {"patch_size": 16, "num_layers": 2, "num_heads": 3, "hidden_dim": 48, "mlp_dim": 192}
    monkeypatch.setattr(models, "small", drawn(partial(models.VisionTransformer, **sizes)), raising=False)
    assert_parity("small", small, size=64, image_size=64, gradient=True)


@pytest.mark.parametrize("name", SLOW)
def test_layers_are_torchvisions(name):
    assert_built_alike(name, getattr(vit, name))


def test_initial_values_are_drawn_as_torchvision_draws_them():
    theirs = partial(pytorch.torchvision().models.VisionTransformer, 64, 16, 1, 3, 192, 768)
    assert_drawn_alike(vit.VisionTransformer(16, 1, 3, 192, num_classes=1000), theirs)


@pytest.mark.parametrize(("stem", "size"), [("cifar", (32, 32)), ("cifar", (16, 40)), ("imagenet", (64, 96))])
def test_features_are_the_tokens_after_each_layer(stem, size):
    patch = 8 if stem == "cifar" else 32
    model = vit.vit_b_32(num_classes=7, stem=stem)
    images = jnp.zeros((2, *size, 3))
    (logits, layers), variables = jax.eval_shape(
        lambda: model.init_with_output(jax.random.key(0), images, train=False, features=True)
    )
    tokens = 1 + size[0] // patch * size[1] // patch
    assert logits.shape == (2, 7)
    assert {name: layer.shape for name, layer in layers.items()} == {
        f"encoder_layer_{index}": (2, tokens, 768) for index in range(12)
    }
    assert variables["params"]["conv_proj"]["kernel"].shape == (patch, patch, 3, 768)
    assert variables["params"]["encoder"]["pos_embedding"].shape == (1, tokens, 768)


def test_patches_of_fourteen_pixels_become_four_for_small_images():
    model = vit.vit_h_14(stem="cifar")
    shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)), train=False))
    assert shapes["params"]["conv_proj"]["kernel"].shape == (4, 4, 3, 1280)


@pytest.mark.long
def test_dropout_takes_its_key_in_training_only():
    model = small(dropout=0.5)
    images = jax.random.normal(jax.random.key(0), (2, 32, 32, 3))
    variables = jax.jit(partial(model.init, train=False))(jax.random.key(1), images)
    apply = jax.jit(partial(model.apply, features=True), static_argnames="train")

    def tokens(train, seed=0):
        return apply(variables, images, train=train, rngs={"dropout": jax.random.key(seed)})[1]["encoder_layer_1"]

    one, again, other = (tokens(True, seed) for seed in (2, 2, 3))
    np.testing.assert_array_equal(one, again)
    assert not np.allclose(one, other)
    np.testing.assert_array_equal(tokens(False, 2), tokens(False, 3))


def test_another_number_of_patches_than_at_the_start_is_a_user_error():
    params = jax.eval_shape(lambda: small().init(jax.random.key(0), jnp.zeros((1, 64, 64, 3)), train=False))
    with pytest.raises(UserError, match=r"is for 16 patches and the images have 4: .* resize_position_embedding"):
        jax.eval_shape(lambda params: small().apply(params, jnp.zeros((1, 32, 32, 3)), train=False), params)


@pytest.mark.parametrize("size", [(64, 72), (60, 64)])
def test_sides_that_the_patch_does_not_divide_are_a_user_error(size):
    with pytest.raises(UserError, match="height and width that 16 divides"):
        jax.eval_shape(lambda: small().init(jax.random.key(0), jnp.zeros((1, *size, 3)), train=False))


@pytest.mark.parametrize("new_side", [1, 3, 7, 10, 14])
def test_resized_position_embedding_equals_torchvisions(new_side, rng):
    pytorch.torchvision()
    from torchvision.models.vision_transformer import interpolate_embeddings

    embedding = rng.normal(size=(1, 50, 6)).astype(np.float32)
    state = {"encoder.pos_embedding": pytorch.torch().tensor(embedding)}
    theirs = interpolate_embeddings(16 * new_side, 16, state)["encoder.pos_embedding"]
    ours = jax.jit(vit.resize_position_embedding, static_argnums=(1, 2))(embedding, (7, 7), (new_side, new_side))
    pytorch.assert_close(ours, theirs, 1e-5)


def test_resized_position_embedding_of_rectangles_is_pytorchs_bicubic(rng):
    torch = pytorch.torch()
    embedding = rng.normal(size=(1, 1 + 3 * 5, 4)).astype(np.float32)
    grid = torch.tensor(embedding[:, 1:].reshape(1, 3, 5, 4)).movedim(-1, 1)
    theirs = torch.nn.functional.interpolate(grid, (8, 4), mode="bicubic", align_corners=True).movedim(1, -1)
    ours = vit.resize_position_embedding(jnp.asarray(embedding), (3, 5), (8, 4))
    np.testing.assert_array_equal(ours[:, 0], embedding[:, 0])
    pytorch.assert_close(ours[:, 1:], theirs.reshape(1, 32, 4))


@pytest.mark.parametrize(("size", "new_size"), [((3, 4), (5, 5)), ((3, 3), (5, 0))])
def test_sizes_that_cannot_be_are_a_user_error(size, new_size):
    with pytest.raises(UserError, match=r"shape \(1, 10, 4\)"):
        vit.resize_position_embedding(jnp.zeros((1, 10, 4)), size, new_size)
