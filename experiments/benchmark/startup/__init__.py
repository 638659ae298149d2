"""Seconds from nothing to the command's help and to the end of its first training step."""
