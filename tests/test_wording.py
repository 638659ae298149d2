import numpy as np
import pytest

from jaxdl.wording import LONGEST, brief, counted


@pytest.mark.parametrize(
    ("count", "names", "said"),
    [
        (1, ("update",), "1 update"),
        (1.0, ("epoch",), "1 epoch"),
        (0, ("image",), "0 images"),
        (2000, ("image",), "2,000 images"),
        (1_234_567, ("update",), "1,234,567 updates"),
        (9.9, ("epoch",), "9.9 epochs"),
        (np.int64(1), ("class", "classes"), "1 class"),
        (np.int64(1_234_567), ("class", "classes"), "1,234,567 classes"),
    ],
)
def test_a_count_of_one_is_singular(count, names, said):
    assert counted(count, *names) == said


def test_an_error_keeps_its_beginning_and_its_end():
    said = f"UNKNOWN: {'x' * 1000} in /checkpoints/7/state"
    assert len(brief(OSError(said))) <= LONGEST + 5
    assert brief(OSError(said)).startswith("UNKNOWN: ")
    assert brief(OSError(said)).endswith("in /checkpoints/7/state")
    assert brief(ValueError("\n  the second line\nthe third")) == "the second line"
    assert brief(KeyError()) == "KeyError"
