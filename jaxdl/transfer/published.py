"""The files of weights that torchvision publishes, and what each expects of a picture.

https://docs.pytorch.org/vision/stable/models.html
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
HALF = (0.5, 0.5, 0.5)


class Published(NamedTuple):
    """One file. Its name ends in the start of its SHA-256.

    A picture's shorter side is brought to ``resize`` pixels by the ``interpolation``, the centre of ``size`` pixels a
    side is cut out, and its channels in [0, 1] are standardised by ``mean`` and ``std``: the ``transforms`` that
    torchvision keeps beside the weights.
    """

    file: str
    size: int = 224
    resize: int = 256
    interpolation: str = "bilinear"
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD

    @property
    def sha256_prefix(self) -> str:
        """The hexadecimal digits that the SHA-256 of the file begins with."""
        return self.file.rpartition(".")[0].rpartition("-")[2]


# The files of each model, first the one that torchvision calls DEFAULT.
PUBLISHED: Mapping[str, tuple[Published, ...]] = MappingProxyType(
    {
        "alexnet": (Published("alexnet-owt-7be5be79.pth"),),
        "convnext_base": (Published("convnext_base-6075fbad.pth", resize=232),),
        "convnext_large": (Published("convnext_large-ea097f82.pth", resize=232),),
        "convnext_small": (Published("convnext_small-0c510722.pth", resize=230),),
        "convnext_tiny": (Published("convnext_tiny-983f1562.pth", resize=236),),
        "densenet121": (Published("densenet121-a639ec97.pth"),),
        "densenet161": (Published("densenet161-8d451a50.pth"),),
        "densenet169": (Published("densenet169-b2777c0a.pth"),),
        "densenet201": (Published("densenet201-c1103571.pth"),),
        "efficientnet_b0": (Published("efficientnet_b0_rwightman-7f5810bc.pth", interpolation="bicubic"),),
        "efficientnet_b1": (
            Published("efficientnet_b1-c27df63c.pth", size=240, resize=255),
            Published("efficientnet_b1_rwightman-bac287d4.pth", size=240, interpolation="bicubic"),
        ),
        "efficientnet_b2": (
            Published("efficientnet_b2_rwightman-c35c1473.pth", size=288, resize=288, interpolation="bicubic"),
        ),
        "efficientnet_b3": (
            Published("efficientnet_b3_rwightman-b3899882.pth", size=300, resize=320, interpolation="bicubic"),
        ),
        "efficientnet_b4": (
            Published("efficientnet_b4_rwightman-23ab8bcd.pth", size=380, resize=384, interpolation="bicubic"),
        ),
        "efficientnet_b5": (
            Published("efficientnet_b5_lukemelas-1a07897c.pth", size=456, resize=456, interpolation="bicubic"),
        ),
        "efficientnet_b6": (
            Published("efficientnet_b6_lukemelas-24a108a5.pth", size=528, resize=528, interpolation="bicubic"),
        ),
        "efficientnet_b7": (
            Published("efficientnet_b7_lukemelas-c5b4e57e.pth", size=600, resize=600, interpolation="bicubic"),
        ),
        "efficientnet_v2_l": (
            Published(
                "efficientnet_v2_l-59c71312.pth", size=480, resize=480, interpolation="bicubic", mean=HALF, std=HALF
            ),
        ),
        "efficientnet_v2_m": (Published("efficientnet_v2_m-dc08266a.pth", size=480, resize=480),),
        "efficientnet_v2_s": (Published("efficientnet_v2_s-dd5fe13b.pth", size=384, resize=384),),
        "googlenet": (Published("googlenet-1378be20.pth"),),
        "inception_v3": (Published("inception_v3_google-0cc3c7bd.pth", size=299, resize=342),),
        "maxvit_t": (Published("maxvit_t-bc5ab103.pth", resize=224, interpolation="bicubic"),),
        "mnasnet0_5": (Published("mnasnet0.5_top1_67.823-3ffadce67e.pth"),),
        "mnasnet0_75": (Published("mnasnet0_75-7090bc5f.pth", resize=232),),
        "mnasnet1_0": (Published("mnasnet1.0_top1_73.512-f206786ef8.pth"),),
        "mnasnet1_3": (Published("mnasnet1_3-a4c69d6f.pth", resize=232),),
        "mobilenet_v2": (Published("mobilenet_v2-7ebf99e0.pth", resize=232), Published("mobilenet_v2-b0353104.pth")),
        "mobilenet_v3_large": (
            Published("mobilenet_v3_large-5c1a4163.pth", resize=232),
            Published("mobilenet_v3_large-8738ca79.pth"),
        ),
        "mobilenet_v3_small": (Published("mobilenet_v3_small-047dcff4.pth"),),
        "regnet_x_1_6gf": (
            Published("regnet_x_1_6gf-a12f2b72.pth", resize=232),
            Published("regnet_x_1_6gf-e3633e7f.pth"),
        ),
        "regnet_x_3_2gf": (
            Published("regnet_x_3_2gf-7071aa85.pth", resize=232),
            Published("regnet_x_3_2gf-f342aeae.pth"),
        ),
        "regnet_x_8gf": (Published("regnet_x_8gf-2b70d774.pth", resize=232), Published("regnet_x_8gf-03ceed89.pth")),
        "regnet_x_16gf": (Published("regnet_x_16gf-ba3796d7.pth", resize=232), Published("regnet_x_16gf-2007eb11.pth")),
        "regnet_x_32gf": (Published("regnet_x_32gf-6eb8fdc6.pth", resize=232), Published("regnet_x_32gf-9d47f8d0.pth")),
        "regnet_x_400mf": (
            Published("regnet_x_400mf-62229a5f.pth", resize=232),
            Published("regnet_x_400mf-adf1edd5.pth"),
        ),
        "regnet_x_800mf": (
            Published("regnet_x_800mf-94a99ebd.pth", resize=232),
            Published("regnet_x_800mf-ad17e45c.pth"),
        ),
        "regnet_y_1_6gf": (
            Published("regnet_y_1_6gf-0d7bc02a.pth", resize=232),
            Published("regnet_y_1_6gf-b11a554e.pth"),
        ),
        "regnet_y_3_2gf": (
            Published("regnet_y_3_2gf-9180c971.pth", resize=232),
            Published("regnet_y_3_2gf-b5a9779c.pth"),
        ),
        "regnet_y_8gf": (Published("regnet_y_8gf-dc2b1b54.pth", resize=232), Published("regnet_y_8gf-d0d0e4a8.pth")),
        "regnet_y_16gf": (
            Published("regnet_y_16gf-3e4a00f9.pth", resize=232),
            Published("regnet_y_16gf-9e6ed7dd.pth"),
            Published("regnet_y_16gf_swag-43afe44d.pth", size=384, resize=384, interpolation="bicubic"),
            Published("regnet_y_16gf_lc_swag-f3ec0043.pth", resize=224, interpolation="bicubic"),
        ),
        "regnet_y_32gf": (
            Published("regnet_y_32gf-8db6d4b5.pth", resize=232),
            Published("regnet_y_32gf-4dee3f7a.pth"),
            Published("regnet_y_32gf_swag-04fdfa75.pth", size=384, resize=384, interpolation="bicubic"),
            Published("regnet_y_32gf_lc_swag-e1583746.pth", resize=224, interpolation="bicubic"),
        ),
        "regnet_y_128gf": (
            Published("regnet_y_128gf_swag-c8ce3e52.pth", size=384, resize=384, interpolation="bicubic"),
            Published("regnet_y_128gf_lc_swag-cbe8ce12.pth", resize=224, interpolation="bicubic"),
        ),
        "regnet_y_400mf": (
            Published("regnet_y_400mf-e6988f5f.pth", resize=232),
            Published("regnet_y_400mf-c65dace8.pth"),
        ),
        "regnet_y_800mf": (
            Published("regnet_y_800mf-58fc7688.pth", resize=232),
            Published("regnet_y_800mf-1b27b58c.pth"),
        ),
        "resnet18": (Published("resnet18-f37072fd.pth"),),
        "resnet34": (Published("resnet34-b627a593.pth"),),
        "resnet50": (Published("resnet50-11ad3fa6.pth", resize=232), Published("resnet50-0676ba61.pth")),
        "resnet101": (Published("resnet101-cd907fc2.pth", resize=232), Published("resnet101-63fe2227.pth")),
        "resnet152": (Published("resnet152-f82ba261.pth", resize=232), Published("resnet152-394f9c45.pth")),
        "resnext50_32x4d": (
            Published("resnext50_32x4d-1a0047aa.pth", resize=232),
            Published("resnext50_32x4d-7cdf4587.pth"),
        ),
        "resnext101_32x8d": (
            Published("resnext101_32x8d-110c445d.pth", resize=232),
            Published("resnext101_32x8d-8ba56ff5.pth"),
        ),
        "resnext101_64x4d": (Published("resnext101_64x4d-173b62eb.pth", resize=232),),
        "shufflenet_v2_x0_5": (Published("shufflenetv2_x0.5-f707e7126e.pth"),),
        "shufflenet_v2_x1_0": (Published("shufflenetv2_x1-5666bf0f80.pth"),),
        "shufflenet_v2_x1_5": (Published("shufflenetv2_x1_5-3c479a10.pth", resize=232),),
        "shufflenet_v2_x2_0": (Published("shufflenetv2_x2_0-8be3c8ee.pth", resize=232),),
        "squeezenet1_0": (Published("squeezenet1_0-b66bff10.pth"),),
        "squeezenet1_1": (Published("squeezenet1_1-b8a52dc0.pth"),),
        "swin_b": (Published("swin_b-68c6b09e.pth", resize=238, interpolation="bicubic"),),
        "swin_s": (Published("swin_s-5e29d889.pth", resize=246, interpolation="bicubic"),),
        "swin_t": (Published("swin_t-704ceda3.pth", resize=232, interpolation="bicubic"),),
        "swin_v2_b": (Published("swin_v2_b-781e5279.pth", size=256, resize=272, interpolation="bicubic"),),
        "swin_v2_s": (Published("swin_v2_s-637d8ceb.pth", size=256, resize=260, interpolation="bicubic"),),
        "swin_v2_t": (Published("swin_v2_t-b137f0e2.pth", size=256, resize=260, interpolation="bicubic"),),
        "vgg11": (Published("vgg11-8a719046.pth"),),
        "vgg11_bn": (Published("vgg11_bn-6002323d.pth"),),
        "vgg13": (Published("vgg13-19584684.pth"),),
        "vgg13_bn": (Published("vgg13_bn-abd245e5.pth"),),
        "vgg16": (Published("vgg16-397923af.pth"),),
        "vgg16_bn": (Published("vgg16_bn-6c64b313.pth"),),
        "vgg19": (Published("vgg19-dcbb9e9d.pth"),),
        "vgg19_bn": (Published("vgg19_bn-c79401a0.pth"),),
        "vit_b_16": (
            Published("vit_b_16-c867db91.pth"),
            Published("vit_b_16_swag-9ac1b537.pth", size=384, resize=384, interpolation="bicubic"),
            Published("vit_b_16_lc_swag-4e70ced5.pth", resize=224, interpolation="bicubic"),
        ),
        "vit_b_32": (Published("vit_b_32-d86f8d99.pth"),),
        "vit_h_14": (
            Published("vit_h_14_swag-80465313.pth", size=518, resize=518, interpolation="bicubic"),
            Published("vit_h_14_lc_swag-c1eb923e.pth", resize=224, interpolation="bicubic"),
        ),
        "vit_l_16": (
            Published("vit_l_16-852ce7e3.pth", resize=242),
            Published("vit_l_16_swag-4f3808c9.pth", size=512, resize=512, interpolation="bicubic"),
            Published("vit_l_16_lc_swag-4d563306.pth", resize=224, interpolation="bicubic"),
        ),
        "vit_l_32": (Published("vit_l_32-c7638314.pth"),),
        "wide_resnet50_2": (
            Published("wide_resnet50_2-9ba9bcbe.pth", resize=232),
            Published("wide_resnet50_2-95faca4d.pth"),
        ),
        "wide_resnet101_2": (
            Published("wide_resnet101_2-d733dc28.pth", resize=232),
            Published("wide_resnet101_2-32ee1156.pth"),
        ),
    }
)

# And those of its segmenters, trained on the pictures of COCO with PASCAL VOC's 21 classes. No picture is cut.
SEGMENTERS: Mapping[str, tuple[Published, ...]] = MappingProxyType(
    {
        name: (Published(file, size=520, resize=520),)
        for name, file in (
            ("deeplabv3_mobilenet_v3_large", "deeplabv3_mobilenet_v3_large-fc3c493d.pth"),
            ("deeplabv3_resnet101", "deeplabv3_resnet101_coco-586e9e4e.pth"),
            ("deeplabv3_resnet50", "deeplabv3_resnet50_coco-cd0a2569.pth"),
            ("fcn_resnet101", "fcn_resnet101_coco-7ecb50ca.pth"),
            ("fcn_resnet50", "fcn_resnet50_coco-1167a1af.pth"),
            ("lraspp_mobilenet_v3_large", "lraspp_mobilenet_v3_large-d234d4ea.pth"),
        )
    }
)
