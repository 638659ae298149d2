"""Semantic segmentation as a task of a run: a class for each pixel."""
