"""Datasets, batches as a function of (seed, step), and augmentation inside jit."""
