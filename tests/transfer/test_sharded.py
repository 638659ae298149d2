"""A network in several files is read by their index, and by nothing that lies elsewhere."""

import json

import numpy as np
import pytest

from jaxdl.errors import UserError
from jaxdl.transfer import load_weights, safetensors
from tests.transfer.wrapped import STATE, assert_is, loaded


def sharded(folder, changes=()):
    names = list(STATE)
    files = {name: f"model-{index // 4 + 1:05d}.safetensors" for index, name in enumerate(names)}
    for file in set(files.values()):
        arrays = {f"net.{name}": STATE[name].numpy() for name in names if files[name] == file}
        safetensors.write(folder / file, arrays)
    index = {"metadata": {}, "weight_map": {f"net.{name}": file for name, file in files.items()} | dict(changes)}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder / "model.safetensors.index.json"


def test_shards_are_read_by_their_index(tmp_path):
    assert_is(loaded(sharded(tmp_path))[0], STATE)
    np.testing.assert_array_equal(load_weights(sharded(tmp_path))["net.conv.weight"], STATE["conv.weight"])


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("../other.safetensors", "none beside it"),
        ("/etc/passwd", "none beside it"),
        ("", "none beside it"),
        ("model.safetensors.index.json", "none beside it"),
        ("a\0b", "none beside it"),
        ("absent.safetensors", "cannot read"),
        ("model-00001.safetensors", "which lacks it"),
        (3, "no weight_map"),
    ],
)
def test_index_that_names_what_is_not_there_is_refused(file, reason, tmp_path):
    with pytest.raises(UserError, match=reason):
        loaded(sharded(tmp_path, [("more", file)]))


@pytest.mark.parametrize("text", ["{", "{}", '{"weight_map": {}}', '{"weight_map": []}', "{" + "[" * 10_000, "[1]"])
def test_index_that_is_none_is_refused(text, tmp_path):
    (tmp_path / "a.index.json").write_text(text)
    with pytest.raises(UserError, match=r"a\.index\.json: is "):
        loaded(tmp_path / "a.index.json")
