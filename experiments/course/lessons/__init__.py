"""The lessons, in order, in cell format: each is a program, a notebook and a text. Run by ``experiments.course``."""
