"""Layers that linen lacks or that need a faster form."""
