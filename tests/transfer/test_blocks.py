import jax.numpy as jnp

from jaxdl import models, transfer


def blocks(name):
    return transfer.blocks(models.create(name), jnp.zeros((1, 64, 64, 3)))


def test_blocks_of_a_resnet_begin_with_its_stem_and_end_with_its_classifier():
    stages = [(f"layer{stage}.{block}",) for stage in range(1, 5) for block in range(2)]
    assert blocks("resnet18") == [("conv1", "bn1"), *stages, ("fc",)]


def test_blocks_of_a_vision_transformer_are_its_encoders_layers():
    patches, *layers, classifier = blocks("vit_b_32")
    assert patches == ("conv_proj",)
    *others, last = [names[0] for names in layers]
    assert [*others, last] == [f"encoder.layers.encoder_layer_{number}" for number in range(12)]
    assert layers[-1] == (last, "encoder.ln")
    assert classifier == ("heads.head",)


def test_blocks_are_in_the_order_of_computation_where_names_are_not():
    assert [names[0] for names in blocks("mobilenet_v2")] == [
        "features.0.0", *(f"features.{number}" for number in range(1, 18)), "features.18.0", "classifier.1"
    ]  # fmt: skip
