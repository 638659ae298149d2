"""A run: its configuration and flags, how it is built, its folder, its story, and how it is read again."""
