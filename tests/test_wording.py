import numpy as np
import pytest

from jaxdl.wording import counted


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
