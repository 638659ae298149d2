"""timm's names of networks that torchvision has too (timm 1.0)."""

from jaxdl.transfer.libraries.families import Family

TIMM = "timm"
LAYER = "encoder.layers.encoder_layer_{i}"

_VIT = f"""
cls_token                     class_token
patch_embed.proj.{{leaf}}     conv_proj.{{leaf}}
blocks.{{i}}.norm1.{{leaf}}   {LAYER}.ln_1.{{leaf}}
blocks.{{i}}.attn.qkv.{{leaf}}   {LAYER}.self_attention.in_proj_{{leaf}}
blocks.{{i}}.attn.proj.{{leaf}}  {LAYER}.self_attention.out_proj.{{leaf}}
blocks.{{i}}.norm2.{{leaf}}   {LAYER}.ln_2.{{leaf}}
blocks.{{i}}.mlp.fc1.{{leaf}} {LAYER}.mlp.0.{{leaf}}
blocks.{{i}}.mlp.fc2.{{leaf}} {LAYER}.mlp.3.{{leaf}}
blocks.{{i}}.ls1.gamma        {LAYER}.layer_scale_1
blocks.{{i}}.ls2.gamma        {LAYER}.layer_scale_2
norm.{{leaf}}                 encoder.ln.{{leaf}}
head.{{leaf}}                 heads.head.{{leaf}}
"""
_CONVNEXT = """
stem.{i}.{leaf}                          features.0.{i}.{leaf}
stages.{s}.downsample.{i}.{leaf}         features.{s*2}.{i}.{leaf}
stages.{s}.blocks.{b}.conv_dw.{leaf}     features.{s*2+1}.{b}.block.0.{leaf}
stages.{s}.blocks.{b}.norm.{leaf}        features.{s*2+1}.{b}.block.2.{leaf}
stages.{s}.blocks.{b}.mlp.fc1.{leaf}     features.{s*2+1}.{b}.block.3.{leaf}
stages.{s}.blocks.{b}.mlp.fc2.{leaf}     features.{s*2+1}.{b}.block.5.{leaf}
stages.{s}.blocks.{b}.gamma              features.{s*2+1}.{b}.layer_scale        column
head.norm.{leaf}                         classifier.0.{leaf}
head.fc.{leaf}                           classifier.2.{leaf}
"""
_SWIN = """
patch_embed.proj.{leaf}                  features.0.0.{leaf}
patch_embed.norm.{leaf}                  features.0.2.{leaf}
layers.{s}.blocks.{b}.mlp.fc1.{leaf}     features.{s*2+1}.{b}.mlp.0.{leaf}
layers.{s}.blocks.{b}.mlp.fc2.{leaf}     features.{s*2+1}.{b}.mlp.3.{leaf}
layers.{s}.blocks.{b}.norm{i}.{leaf}     features.{s*2+1}.{b}.norm{i}.{leaf}
layers.{s}.blocks.{b}.attn.proj.{leaf}   features.{s*2+1}.{b}.attn.proj.{leaf}
norm.{leaf}                              norm.{leaf}
"""
_SWIN_1 = """
layers.{s}.blocks.{b}.attn.qkv.{leaf}    features.{s*2+1}.{b}.attn.qkv.{leaf}
layers.{s}.blocks.{b}.attn.relative_position_bias_table  features.{s*2+1}.{b}.attn.relative_position_bias_table
"""
_SWIN_2 = """
layers.{s}.blocks.{b}.attn.qkv.weight    features.{s*2+1}.{b}.attn.qkv.weight
layers.{s}.blocks.{b}.attn.q_bias        features.{s*2+1}.{b}.attn.qkv.bias      no_key 0
layers.{s}.blocks.{b}.attn.v_bias        features.{s*2+1}.{b}.attn.qkv.bias      no_key 2
layers.{s}.blocks.{b}.attn.logit_scale   features.{s*2+1}.{b}.attn.logit_scale
layers.{s}.blocks.{b}.attn.relative_coords_table  features.{s*2+1}.{b}.attn.relative_coords_table
layers.{s}.blocks.{b}.attn.cpb_mlp.{i}.{leaf}  features.{s*2+1}.{b}.attn.cpb_mlp.{i}.{leaf}
"""
# of today's timm, and of Microsoft's files and timm's before 0.9
_MERGING_FIRST = """
layers.{s}.downsample.reduction.{leaf}   features.{s*2}.reduction.{leaf}
layers.{s}.downsample.norm.{leaf}        features.{s*2}.norm.{leaf}
head.fc.{leaf}                           head.{leaf}
"""
_MERGING_LAST = """
layers.{s}.downsample.reduction.{leaf}   features.{s*2+2}.reduction.{leaf}
layers.{s}.downsample.norm.{leaf}        features.{s*2+2}.norm.{leaf}
head.{leaf}                              head.{leaf}
"""
_REGNET = """
stem.conv.{leaf}                         stem.0.{leaf}
stem.bn.{leaf}                           stem.1.{leaf}
s{s}.b{b+1}.conv1.conv.{leaf}            trunk_output.block{s}.block{s}-{b}.f.a.0.{leaf}
s{s}.b{b+1}.conv1.bn.{leaf}              trunk_output.block{s}.block{s}-{b}.f.a.1.{leaf}
s{s}.b{b+1}.conv2.conv.{leaf}            trunk_output.block{s}.block{s}-{b}.f.b.0.{leaf}
s{s}.b{b+1}.conv2.bn.{leaf}              trunk_output.block{s}.block{s}-{b}.f.b.1.{leaf}
s{s}.b{b+1}.se.fc{i}.{leaf}              trunk_output.block{s}.block{s}-{b}.f.se.fc{i}.{leaf}
s{s}.b{b+1}.conv3.conv.{leaf}            trunk_output.block{s}.block{s}-{b}.f.c.0.{leaf}
s{s}.b{b+1}.conv3.bn.{leaf}              trunk_output.block{s}.block{s}-{b}.f.c.1.{leaf}
s{s}.b{b+1}.downsample.conv.{leaf}       trunk_output.block{s}.block{s}-{b}.proj.0.{leaf}
s{s}.b{b+1}.downsample.bn.{leaf}         trunk_output.block{s}.block{s}-{b}.proj.1.{leaf}
head.fc.{leaf}                           fc.{leaf}
"""


def _block(theirs: str, ours: str, kind: str, *, squeezes: bool) -> str:
    """Lines of one block; kind: "separable", a depthwise convolution and one of 1x1; "inverted", another of 1x1 before
    them; "fused", a full one in place of the first two; or "full", that one alone."""
    first = {
        "separable": (("conv_dw", "bn1"),),
        "inverted": (("conv_pw", "bn1"), ("conv_dw", "bn2")),
        "fused": (("conv_exp", "bn1"),),
        "full": (("conv", "bn1"),),
    }[kind]
    last = {"separable": ("conv_pw", "bn2"), "inverted": ("conv_pwl", "bn3"), "fused": ("conv_pwl", "bn2")}.get(kind)
    places = [*enumerate(first), *([(len(first) + squeezes, last)] if last else [])]
    lines = [
        f"{theirs}.{layer}.{{leaf}} {ours}.block.{place}.{index}.{{leaf}}"
        for place, pair in places
        for index, layer in enumerate(pair)
    ]
    if squeezes:
        place = f"{ours}.block.{len(first)}"
        lines.append(f"{theirs}.se.conv_reduce.{{leaf}} {place}.fc1.{{leaf}}")
        lines.append(f"{theirs}.se.conv_expand.{{leaf}} {place}.fc2.{{leaf}}")
    return "\n".join(lines)


def _ends(last: int, head: str) -> str:
    return f"""
conv_stem.{{leaf}} features.0.0.{{leaf}}
bn1.{{leaf}} features.0.1.{{leaf}}
{head.format(last=last)}
"""


_HEAD = """
conv_head.{{leaf}} features.{last}.0.{{leaf}}
bn2.{{leaf}} features.{last}.1.{{leaf}}
classifier.{{leaf}} classifier.1.{{leaf}}
"""
_EFFICIENTNET = "\n".join(
    (
        _ends(8, _HEAD),
        _block("blocks.0.{b}", "features.1.{b}", "separable", squeezes=True),
        _block("blocks.{s}.{b}", "features.{s+1}.{b}", "inverted", squeezes=True),
    )
)


def _efficientnet_v2(stages: int) -> str:
    return "\n".join(
        (
            _ends(stages + 1, _HEAD),
            _block("blocks.0.{b}", "features.1.{b}", "full", squeezes=False),
            *(_block(f"blocks.{s}.{{b}}", f"features.{s + 1}.{{b}}", "fused", squeezes=False) for s in (1, 2)),
            _block("blocks.{s}.{b}", "features.{s+1}.{b}", "inverted", squeezes=True),
        )
    )


def _mobilenet_v3(stages: tuple[str, ...]) -> str:
    """stages: a letter for each block, "s" where it squeezes."""
    lines, done = [], 0
    for stage, blocks in enumerate(stages):
        for index, letter in enumerate(blocks):
            done += 1
            kind = "inverted" if stage else "separable"
            lines.append(_block(f"blocks.{stage}.{index}", f"features.{done}", kind, squeezes=letter == "s"))
    last = f"""
blocks.{len(stages)}.0.conv.{{{{leaf}}}} features.{{last}}.0.{{{{leaf}}}}
blocks.{len(stages)}.0.bn1.{{{{leaf}}}} features.{{last}}.1.{{{{leaf}}}}
conv_head.weight classifier.0.weight linear
conv_head.bias classifier.0.bias
classifier.{{{{leaf}}}} classifier.3.{{{{leaf}}}}
"""
    return "\n".join((_ends(done + 1, last), *lines))


_USUAL, _LARGE = 1e-5, 1e-3  # epsilons of batch norm, timm's and torchvision's of some networks
_SWIN_OURS = "features.1.0.attn.relative_position_bias_table"
_FIRST_LAYER = "encoder.layers.encoder_layer_0.self_attention.in_proj_weight"
_OLD_BUFFERS = r"layers\.\d+\.blocks\.\d+\.(attn_mask|attn\.(relative_position_index|k_bias))"

FAMILIES = (
    *(
        Family(
            TIMM,
            _SWIN + kind + merging,
            marks=(f"layers.0.blocks.0.attn.{mark}", f"layers.{stage}.downsample.reduction.weight"),
            ours=(f"features.1.0.attn.{mark}", "features.2.reduction.weight"),
            spare=_OLD_BUFFERS,
        )
        for merging, stage in ((_MERGING_FIRST, 1), (_MERGING_LAST, 0))
        for kind, mark in ((_SWIN_1, "relative_position_bias_table"), (_SWIN_2, "logit_scale"))
    ),
    Family(
        TIMM,
        _VIT + "pos_embed encoder.pos_embedding patches\nreg_token register_tokens",
        marks=("cls_token", "reg_token", "blocks.0.attn.qkv.weight"),
        ours=("class_token", "register_tokens", _FIRST_LAYER),
        moved=True,
    ),
    Family(
        TIMM,
        _VIT + "pos_embed encoder.pos_embedding positions\nregister_tokens register_tokens",
        marks=("cls_token", "blocks.0.attn.qkv.weight"),
        ours=("class_token", _FIRST_LAYER),
        spare="mask_token",
    ),
    Family(
        TIMM,
        _CONVNEXT,
        marks=("stages.0.blocks.0.conv_dw.weight", "stem.0.weight"),
        ours=("features.1.0.block.0.weight", "features.1.0.layer_scale"),
    ),
    Family(
        TIMM,
        _REGNET,
        marks=("s1.b1.conv1.conv.weight", "stem.conv.weight"),
        ours=("trunk_output.block1.block1-0.f.a.0.weight",),
    ),
    *(
        Family(
            TIMM,
            _EFFICIENTNET,
            marks=("conv_head.weight", "blocks.6.0.conv_pwl.weight", "blocks.0.0.conv_dw.weight"),
            ours=("features.8.0.weight", "features.1.0.block.1.fc1.weight"),
            widths=widths,
            shift=shift,
        )
        for widths, shift in ((range(1, 2048), 0.0), (range(2048, 2**31), _USUAL - _LARGE))  # b0 to b4, b5 to b7
    ),
    *(
        Family(
            TIMM,
            _efficientnet_v2(stages),
            marks=("conv_head.weight", "blocks.1.0.conv_exp.weight", f"blocks.{stages - 1}.0.conv_pwl.weight"),
            ours=(
                f"features.{stages + 1}.0.weight",
                "features.2.0.block.1.0.weight",
                "features.4.0.block.2.fc1.weight",
            ),
            shift=_USUAL - _LARGE,
        )
        for stages in (7, 6)
    ),
    *(
        Family(
            TIMM,
            _mobilenet_v3(stages),
            marks=("conv_head.bias", f"blocks.{len(stages)}.0.conv.weight"),
            ours=("classifier.0.bias", "classifier.3.bias", f"features.{len(''.join(stages)) + 1}.1.weight", mark),
            shift=_USUAL - _LARGE,
        )
        for stages, mark in (
            (("-", "--", "sss", "----", "ss", "sss"), "features.4.block.2.fc1.weight"),
            (("s", "--", "sss", "ss", "sss"), "features.1.block.1.fc1.weight"),
        )
    ),
)
