"""Where the time of a training step goes, layer by layer."""
