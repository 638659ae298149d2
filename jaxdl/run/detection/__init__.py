"""Object detection and instance segmentation as a task of a run: boxes, classes and masks of objects."""
