"""Names of torchvision, timm and PyTorch that people may type here, and their counterparts in this library."""

import re

CLASSIFIERS = "the networks here are classifiers and segmenters"
SEGMENTERS = "jaxdl segment has fcn, deeplabv3, lraspp and unet"
# What begins with one of these, in lower case and without anything between letters and digits.
NETWORKS = (
    ("a video network", r"r3d|mc3|r2plus1d|s3d|mvit|swin3d|x3d|slowfast"),
    ("an optical flow network", r"raftlarge|raftsmall|raft$"),
    ("a stereo network", r"crestereo|raftstereo"),
    ("a keypoint detector", r"keypointrcnn|posenet|hrnetpose"),
    ("an instance segmenter", r"maskrcnn|yolact"),
    (
        "a detector",
        r"(faster|cascade)?rcnn|retinanet|ssd|fcos|yolo|(rt|deformable)?detr|efficientdet|centernet",
    ),
    ("a segmenter", r"fcn|deeplab|lraspp|unet|segformer|pspnet|mask2?former|upernet"),
    ("a quantized network", r"quantiz"),
)
OTHER_NETWORKS = (
    r"(tf)?efficientnetv2(b\d|rw|xl)|convnext(v2|xxlarge|xlarge|nano|pico|femto|atto|zepto)|regnet([vwz]|[xy]\d{3,4}$)|"
    r"mnasnet(a1|\d{3}$)|vith(?!14)|vit(tiny|small|huge|giant|t|s|g)\d*|deit|beit|"
    r"swin(v2)?(large|s3|cr)|maxvit(nano|pico|rmlp|small|base|large|xlarge)|maxxvit|"
    r"resnest|(se|sk|eca|res2|gluon)resne|seres|res2net|resnet(v2|rs|aa|blur)|resnet\d+([a-z]{1,2}$|v2)|"
    r"xception|inceptionv4|inceptionresnet|p?nasnet|mobilenetv[14]|mobilevit|mobileone|ghostnet|coatnet|efficientvit|"
    r"efficientformer|mlpmixer|mixer|cait|levit|dpn|senet|clip|dinov(?!2)|repvgg|rexnet|hrnet|darknet|lenet|edgenext|eva\d"
)
OTHERS = {  # by kind, whole names
    "optimizer": r"adamax|radam|rprop|asgd|sparseadam|adafactor|adan|adabelief|lion|lamb|lars|novograd|yogi|sophia",
    "activation": r"celu|glu|hardswish|hardtanh|mish|prelu|relu6|rrelu|selu|softsign|swiglu|tanhshrink",
}
SAME = {  # under other names, by kind
    "activation": {"silu": "swish"},
    "flag": {  # of torchvision's references, timm, Keras and Lightning
        **dict.fromkeys(("learningrate", "baselr", "blr"), "--lr"),
        **dict.fromkeys(("arch", "net", "network", "backbone"), "--model"),
        **dict.fromkeys(("batch", "bs", "b", "batchsizepergpu"), "--batch-size"),
        **dict.fromkeys(("wd", "decay"), "--weight-decay"),
        **dict.fromkeys(("opt", "optim"), "--optimizer"),
        **dict.fromkeys(("sched", "scheduler", "lrscheduler"), "--schedule"),
        **dict.fromkeys(("clipgrad", "clipgradnorm", "gradclip", "gradientclipval", "maxnorm"), "--clip-norm"),
        **dict.fromkeys(("amp", "dtype", "bf16", "fp16"), "--precision"),
        **dict.fromkeys(("output", "outputdir", "logdir", "savedir", "experiment"), "--out"),
        **dict.fromkeys(("data", "datapath", "dataroot", "root"), "--data-dir"),
        **dict.fromkeys(("gradaccumsteps", "gradientaccumulationsteps", "accumulategradbatches"), "--accumulate"),
        **dict.fromkeys(("modelema", "emadecay"), "--ema"),
        "mixupalpha": "--mixup",
        "cutmixalpha": "--cutmix",
        "smoothing": "--label-smoothing",
        **dict.fromkeys(("maxepochs", "numepochs", "nepochs"), "--epochs"),
        **dict.fromkeys(("maxsteps", "maxiter", "iterations"), "--steps"),
        **dict.fromkeys(("weights", "checkpoint", "init"), "--pretrained"),
        **dict.fromkeys(("numworkers", "j"), "--workers"),
    },
    "loss": {
        **dict.fromkeys(("bce", "bceloss", "bcewithlogits", "bcewithlogitsloss"), "one_vs_rest"),
        **dict.fromkeys(("ce", "celoss", "crossentropyloss", "softmax", "labelsmoothing"), "cross_entropy"),
        **dict.fromkeys(("focalloss", "sigmoidfocalloss"), "focal"),
    },
    "initializer": {
        f"{theirs}{shape}": f"{here}_{shape}"
        for theirs, here in (("kaiming", "he"), ("glorot", "xavier"))
        for shape in ("normal", "uniform")
    },
}
# timm's and Hugging Face's vision transformers, of any image size: ours take any.
TRANSFORMERS = re.compile(r"vit(base|large|huge)patch(14|16|32)(224|384)?(in21k|in1k)?")
NUMBERS = {  # in timm, in place of sizes
    "mnasnet": {"050": "0_5", "075": "0_75", "100": "1_0"},
    "regnet": {"004": "400mf", "008": "800mf", "016": "1_6gf", "032": "3_2gf", "080": "8gf", "160": "16gf",
               "320": "32gf", "1280": "128gf"},
}  # fmt: skip
NUMBERED = re.compile(r"(mnasnet|regnet)([xy]?)(\d{3,4})")
WINDOWED = re.compile(r"(swin|swinv2|maxvit)(tiny|small|base)(patch4|tf)?(window\d+|\d+)?")

PLACES = re.compile(r"^((torchvision|models|detection|segmentation|video|optical_flow|timm)\.)+", re.IGNORECASE)


def meaning(kind: str, name: str) -> str | None:
    """A sentence about ``name`` of another library that has no counterpart here; None if it is unknown."""
    plain = flat(base(name))
    if kind.endswith("model"):
        for what, pattern in NETWORKS:
            if re.match(pattern, plain):
                return f"It is {what}; {SEGMENTERS if what == 'a segmenter' else CLASSIFIERS}."
        if re.match(OTHER_NETWORKS, plain):
            return "It is another network, which is not here."
    if kind in OTHERS and re.fullmatch(OTHERS[kind], plain):
        return f"It is another {kind}, which is not here."
    return None


def ours(kind: str, name: str) -> str | None:
    """Our name for ``name`` of another library, where the two are spelled differently; None if unknown."""
    if kind in SAME:
        return SAME[kind].get(flat(name))
    if not kind.endswith("model"):
        return None
    plain = flat(base(name))
    if found := TRANSFORMERS.fullmatch(plain):
        return f"vit_{found[1][0]}_{found[2]}"
    if found := WINDOWED.fullmatch(plain):
        return f"{found[1].replace('v2', '_v2')}_{found[2][0]}"
    found = NUMBERED.fullmatch(plain)
    return found and f"{found[1]}{found[2] and f'_{found[2]}_'}{NUMBERS[found[1]].get(found[3])}"


def base(name: str) -> str:
    """Name of the network, ``resnet50`` in ``timm/resnet50.a1_in1k``, without the hub and the training's tag."""
    return PLACES.sub("", name.rpartition("/")[2]).partition(".")[0]


def flat(name: str) -> str:
    """Letters and digits alone, in lower case."""
    return "".join(filter(str.isalnum, name.lower()))
