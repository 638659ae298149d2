"""Pickles written as files of both of PyTorch's formats."""

import pytest

from jaxdl.transfer import pickle_reader
from tests.transfer.files import write_stream, write_zip


@pytest.fixture(params=[write_zip, write_stream], ids=["zip", "stream"])
def written(request, tmp_path):
    """Writes a pickle as a file of either format and reads it."""

    def read(pickled, **options):
        return pickle_reader.read(request.param(tmp_path / "weights.pth", pickled, **options))

    read.form = request.param
    return read
