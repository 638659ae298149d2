import numpy as np
import pytest

from jaxdl.detection import cell_anchors, grid_anchors
from tests import pytorch

RATIOS = (0.5, 1.0, 2.0)
PYRAMID = tuple((size,) for size in (32, 64, 128, 256, 512))
RETINA = tuple((size, int(size * 2 ** (1 / 3)), int(size * 2 ** (2 / 3))) for size in (32, 64, 128, 256, 512))


def generator(sizes, ratios):
    pytorch.detection_ops()
    from torchvision.models.detection.anchor_utils import AnchorGenerator

    return AnchorGenerator(sizes, (ratios,) * len(sizes))


@pytest.mark.parametrize("ratios", [RATIOS, (1.0,), (0.1, 0.3, 3.7, 10.0), (0.25, 1.0, 4.0)])
@pytest.mark.parametrize("sizes", [(32, 64, 128, 256, 512), (1, 3, 5, 7), RETINA[0], (8.5, 16.25)])
def test_cell_anchors_equal_torchvisions(sizes, ratios):
    ours = cell_anchors(sizes, ratios)
    assert ours.dtype == np.float32
    np.testing.assert_array_equal(ours, generator((sizes,), ratios).cell_anchors[0])


@pytest.mark.parametrize("sizes", [PYRAMID, RETINA])
@pytest.mark.parametrize("image", [(64, 96), (800, 1344), (37, 201), (129, 33)])
def test_grid_anchors_equal_torchvisions(image, sizes):
    from torchvision.models.detection.image_list import ImageList

    maps = [tuple(-(-side // stride) for side in image) for stride in (8, 16, 32, 64, 128)]
    torch = pytorch.torch()
    pictures = ImageList(torch.zeros((2, 1, *image)), [image, image])
    expected = generator(sizes, RATIOS)(pictures, [torch.zeros((2, 1, *size)) for size in maps])[0]
    ours = grid_anchors(maps, image, sizes=sizes, ratios=RATIOS)
    assert [len(each) for each in ours] == [h * w * len(RATIOS) * len(sizes[0]) for h, w in maps]
    assert all(each.dtype == np.float32 for each in ours)
    np.testing.assert_array_equal(np.concatenate(ours), expected)
