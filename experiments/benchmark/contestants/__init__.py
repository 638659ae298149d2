"""The programs that take part, each in a process of its own."""
