"""Numbers in masks that are no class."""

IGNORED = 255  # a pixel that has no class: not labelled, or out of the picture
