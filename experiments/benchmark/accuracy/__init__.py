"""Seconds of training to an accuracy, beside the course's own program."""
