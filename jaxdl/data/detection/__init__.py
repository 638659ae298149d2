"""Datasets for object detection and instance segmentation, from folders as PASCAL VOC, COCO and YOLO lay them out."""
