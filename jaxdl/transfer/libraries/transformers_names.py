"""Names that Hugging Face's transformers gives to networks that torchvision has too.

Of some, modules have other names than files since version 5, which renames on reading and on writing.
"""

from jaxdl.transfer.libraries.families import Family

FILES, MODULES = "transformers", "transformers_5"  # the names in files, which every version reads, and in modules
LAYER = "encoder.layers.encoder_layer_{i}"


def _attention(theirs: str, ours: str, names: tuple[str, str, str]) -> str:
    return "\n".join(f"{theirs}.{name}.{{leaf}} {ours} thirds {part}" for part, name in enumerate(names))


_LONG, _SHORT = ("query", "key", "value"), ("q_proj", "k_proj", "v_proj")
_EMBEDDINGS = """
embeddings.cls_token                            class_token
embeddings.position_embeddings                  encoder.pos_embedding
embeddings.patch_embeddings.projection.{leaf}   conv_proj.{leaf}
layernorm.{leaf}                                encoder.ln.{leaf}
"""


def _vit(layers: str, *, short: bool) -> str:
    """layers: their name of the layers."""
    inner, out = ("attention", "attention.o_proj") if short else ("attention.attention", "attention.output.dense")
    first, second = ("mlp.fc1", "mlp.fc2") if short else ("intermediate.dense", "output.dense")
    fused = f"{LAYER}.self_attention.in_proj_{{leaf}}"
    return f"""
{_EMBEDDINGS}
{layers}.{{i}}.layernorm_before.{{leaf}} {LAYER}.ln_1.{{leaf}}
{_attention(f"{layers}.{{i}}.{inner}", fused, _SHORT if short else _LONG)}
{layers}.{{i}}.{out}.{{leaf}} {LAYER}.self_attention.out_proj.{{leaf}}
{layers}.{{i}}.layernorm_after.{{leaf}} {LAYER}.ln_2.{{leaf}}
{layers}.{{i}}.{first}.{{leaf}} {LAYER}.mlp.0.{{leaf}}
{layers}.{{i}}.{second}.{{leaf}} {LAYER}.mlp.3.{{leaf}}
^classifier.{{leaf}} heads.head.{{leaf}}
"""


def _dinov2(*, short: bool) -> str:
    inner, out = ("attention", "attention.o_proj") if short else ("attention.attention", "attention.output.dense")
    fused = f"{LAYER}.self_attention.in_proj_{{leaf}}"
    return f"""
{_EMBEDDINGS}
embeddings.register_tokens register_tokens
encoder.layer.{{i}}.norm1.{{leaf}} {LAYER}.ln_1.{{leaf}}
{_attention(f"encoder.layer.{{i}}.{inner}", fused, _SHORT if short else _LONG)}
encoder.layer.{{i}}.{out}.{{leaf}} {LAYER}.self_attention.out_proj.{{leaf}}
encoder.layer.{{i}}.layer_scale1.lambda1 {LAYER}.layer_scale_1
encoder.layer.{{i}}.norm2.{{leaf}} {LAYER}.ln_2.{{leaf}}
encoder.layer.{{i}}.mlp.fc1.{{leaf}} {LAYER}.mlp.0.{{leaf}}
encoder.layer.{{i}}.mlp.fc2.{{leaf}} {LAYER}.mlp.3.{{leaf}}
encoder.layer.{{i}}.layer_scale2.lambda1 {LAYER}.layer_scale_2
"""


_CONVNEXT = """
embeddings.patch_embeddings.{leaf}                   features.0.0.{leaf}
embeddings.layernorm.{leaf}                          features.0.1.{leaf}
encoder.stages.{s}.downsampling_layer.{i}.{leaf}     features.{s*2}.{i}.{leaf}
encoder.stages.{s}.layers.{b}.dwconv.{leaf}          features.{s*2+1}.{b}.block.0.{leaf}
encoder.stages.{s}.layers.{b}.layernorm.{leaf}       features.{s*2+1}.{b}.block.2.{leaf}
encoder.stages.{s}.layers.{b}.pwconv1.{leaf}         features.{s*2+1}.{b}.block.3.{leaf}
encoder.stages.{s}.layers.{b}.pwconv2.{leaf}         features.{s*2+1}.{b}.block.5.{leaf}
encoder.stages.{s}.layers.{b}.layer_scale_parameter  features.{s*2+1}.{b}.layer_scale column
layernorm.{leaf}                                     classifier.0.{leaf}
^classifier.{leaf}                                   classifier.2.{leaf}
"""
_BLOCK, _OUR_BLOCK = "encoder.layers.{s}.blocks.{b}", "features.{s*2+1}.{b}"


def _swin(*, short: bool) -> str:
    inner, out = ("attention", "attention.o_proj") if short else ("attention.self", "attention.output.dense")
    first, second = ("mlp.fc1", "mlp.fc2") if short else ("intermediate.dense", "output.dense")
    table = "relative_position_bias_table"
    return f"""
embeddings.patch_embeddings.projection.{{leaf}} features.0.0.{{leaf}}
embeddings.norm.{{leaf}} features.0.2.{{leaf}}
{_BLOCK}.layernorm_before.{{leaf}} {_OUR_BLOCK}.norm1.{{leaf}}
{_attention(f"{_BLOCK}.{inner}", f"{_OUR_BLOCK}.attn.qkv.{{leaf}}", _SHORT if short else _LONG)}
{_BLOCK}.{"attention.relative_position_bias" if short else inner}.{table} {_OUR_BLOCK}.attn.{table}
{_BLOCK}.{out}.{{leaf}} {_OUR_BLOCK}.attn.proj.{{leaf}}
{_BLOCK}.layernorm_after.{{leaf}} {_OUR_BLOCK}.norm2.{{leaf}}
{_BLOCK}.{first}.{{leaf}} {_OUR_BLOCK}.mlp.0.{{leaf}}
{_BLOCK}.{second}.{{leaf}} {_OUR_BLOCK}.mlp.3.{{leaf}}
encoder.layers.{{s}}.downsample.reduction.{{leaf}} features.{{s*2+2}}.reduction.{{leaf}}
encoder.layers.{{s}}.downsample.norm.{{leaf}} features.{{s*2+2}}.norm.{{leaf}}
layernorm.{{leaf}} norm.{{leaf}}
^classifier.{{leaf}} head.{{leaf}}
"""


_RESNET = """
embedder.embedder.convolution.{leaf}                                 conv1.{leaf}
embedder.embedder.normalization.{leaf}                               bn1.{leaf}
encoder.stages.{s}.layers.{b}.layer.{k}.convolution.{leaf}           layer{s+1}.{b}.conv{k+1}.{leaf}
encoder.stages.{s}.layers.{b}.layer.{k}.normalization.{leaf}         layer{s+1}.{b}.bn{k+1}.{leaf}
encoder.stages.{s}.layers.{b}.shortcut.convolution.{leaf}            layer{s+1}.{b}.downsample.0.{leaf}
encoder.stages.{s}.layers.{b}.shortcut.normalization.{leaf}          layer{s+1}.{b}.downsample.1.{leaf}
^classifier.1.{leaf}                                                 fc.{leaf}
"""
_FIRST_LAYER = "encoder.layers.encoder_layer_0.self_attention.in_proj_weight"
_POOLER = r"pooler\..*|embeddings\.mask_token"

FAMILIES = (
    *(
        Family(
            library,
            _dinov2(short=short),
            base=f"dinov2{registers and '_with_registers'}",
            marks=(
                "embeddings.cls_token",
                *([f"embeddings.{registers}"] if registers else []),
                "encoder.layer.0.layer_scale1.lambda1",
                f"encoder.layer.0.attention.{'q_proj' if short else 'attention.query'}.weight",
            ),
            ours=(
                "class_token",
                *([registers] if registers else []),
                "encoder.layers.encoder_layer_0.layer_scale_1",
                _FIRST_LAYER,
            ),
            spare=_POOLER + r"|\^classifier\..*",  # of the class token and the mean of the patches
            headless=True,
            made={"embeddings.mask_token": (1, "width")},
        )
        for registers in ("register_tokens", "")
        for library, short in ((FILES, False), (MODULES, True))
    ),
    *(
        Family(
            library,
            _vit(layers, short=short),
            base="vit",
            marks=(
                "embeddings.cls_token",
                f"{layers}.0.attention.{'q_proj' if short else 'attention.query'}.weight",
                f"{layers}.0.layernorm_before.weight",
            ),
            ours=("class_token", _FIRST_LAYER),
            spare=_POOLER,
        )
        for library, layers, short in ((FILES, "encoder.layer", False), (MODULES, "layers", True))
    ),
    *(
        Family(
            library,
            _swin(short=short),
            base="swin",
            marks=("embeddings.patch_embeddings.projection.weight", f"encoder.layers.0.blocks.0.attention.{mark}"),
            ours=("features.0.0.weight", "features.1.0.attn.relative_position_bias_table"),
            spare=_POOLER + r"|.*\.relative_position_index",
        )
        for library, short, mark in (
            (FILES, False, "self.relative_position_bias_table"),
            (MODULES, True, "relative_position_bias.relative_position_bias_table"),
        )
    ),
    *(
        family
        for library in (FILES, MODULES)
        for family in (
            Family(
                library,
                _CONVNEXT,
                base="convnext",
                marks=("embeddings.patch_embeddings.weight", "encoder.stages.0.layers.0.dwconv.weight"),
                ours=("features.0.0.weight", "features.1.0.layer_scale"),
            ),
            Family(
                library,
                _RESNET,
                base="resnet",
                marks=("embedder.embedder.convolution.weight", "encoder.stages.0.layers.0.layer.1.convolution.weight"),
                ours=("conv1.weight", "layer1.0.conv2.weight"),
            ),
        )
    ),
)
