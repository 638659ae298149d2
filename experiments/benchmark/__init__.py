"""How fast training, its input and its start are, each beside what else one could use."""
