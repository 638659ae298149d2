"""Operations of object detection: boxes, anchors, suppression, RoIAlign; pure functions of arrays of fixed shapes.

Boxes are (x1, y1, x2, y2) in pixels. Of functions named as torchvision's, arguments and values are torchvision's.
"""

from typing import TYPE_CHECKING

from jaxdl.lazy import exports

if TYPE_CHECKING:
    from jaxdl.detection.anchors import cell_anchors, grid_anchors
    from jaxdl.detection.boxes import (
        box_area,
        box_convert,
        box_iou,
        clip_boxes_to_image,
        complete_box_iou,
        distance_box_iou,
        generalized_box_iou,
        large_enough,
    )
    from jaxdl.detection.coding import decode_boxes, encode_boxes
    from jaxdl.detection.image_list import Detected, ImageList, Targets
    from jaxdl.detection.inference import in_pictures, make_detect, normalised
    from jaxdl.detection.mask_pasting import paste_masks
    from jaxdl.detection.matching import match
    from jaxdl.detection.resizing import canvas_of, resize, resize_boxes, resize_targets, seen_sizes
    from jaxdl.detection.roi_pooling import multiscale_roi_align, roi_align
    from jaxdl.detection.sampling import balanced_sample
    from jaxdl.detection.suppression import Kept, nms

__getattr__, __dir__ = exports(
    __name__,
    {
        "anchors": "cell_anchors grid_anchors",
        "boxes": "box_area box_convert box_iou clip_boxes_to_image complete_box_iou distance_box_iou "
        "generalized_box_iou large_enough",
        "coding": "decode_boxes encode_boxes",
        "image_list": "Detected ImageList Targets",
        "inference": "in_pictures make_detect normalised",
        "mask_pasting": "paste_masks",
        "matching": "match",
        "resizing": "canvas_of resize resize_boxes resize_targets seen_sizes",
        "roi_pooling": "multiscale_roi_align roi_align",
        "sampling": "balanced_sample",
        "suppression": "Kept nms",
    },
)
__all__ = [
    "Detected",
    "ImageList",
    "Kept",
    "Targets",
    "balanced_sample",
    "box_area",
    "box_convert",
    "box_iou",
    "canvas_of",
    "cell_anchors",
    "clip_boxes_to_image",
    "complete_box_iou",
    "decode_boxes",
    "distance_box_iou",
    "encode_boxes",
    "generalized_box_iou",
    "grid_anchors",
    "in_pictures",
    "large_enough",
    "make_detect",
    "match",
    "multiscale_roi_align",
    "nms",
    "normalised",
    "paste_masks",
    "resize",
    "resize_boxes",
    "resize_targets",
    "roi_align",
    "seen_sizes",
]
