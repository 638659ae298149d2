"""safetensors files against the package of that name, and against the format's definition."""

import json

import ml_dtypes
import numpy as np
import pytest

from jaxdl.errors import UserError
from jaxdl.transfer import safetensors

PLAIN = ("bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64")
FLOATS = ("float16", "bfloat16", "float32", "float64", "complex64")
EIGHTS = ("float8_e4m3fn", "float8_e5m2", "float8_e8m0fnu", "float8_e4m3fnuz", "float8_e5m2fnuz")


def random_arrays(rng, names):
    """Arrays of every dtype: a matrix, a turned one, a scalar and an empty one, all bits random."""
    arrays = {}
    for name in names:
        dtype = np.dtype(getattr(ml_dtypes, name, name))
        most = 2 if name == "bool" else 256
        matrix = rng.integers(0, most, (5, 3 * dtype.itemsize), np.uint8).view(dtype)
        arrays |= {f"{name}.matrix": matrix, f"{name}.turned": matrix.T, f"{name}.scalar": matrix[0, 0].reshape(())}
        arrays[f"{name}.empty"] = matrix[:0]
    return arrays


def assert_same(arrays, expected):
    assert arrays.keys() == expected.keys()
    for name, array in expected.items():
        assert (arrays[name].dtype, arrays[name].shape) == (array.dtype, array.shape), name
        assert arrays[name].tobytes() == array.tobytes(), name


def file_of(path, header, body=b"", length=None):
    """A file by the definition; ``header`` may be text, ``length`` a lie."""
    text = (header if isinstance(header, str) else json.dumps(header)).encode()
    path.write_bytes((len(text) if length is None else length).to_bytes(8, "little") + text + body)
    return path


def entry(dtype="F32", shape=(2,), begin=0, end=8):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


def test_arrays_come_back_in_their_order_and_aligned(tmp_path, rng):
    arrays = random_arrays(rng, PLAIN + FLOATS + EIGHTS)
    safetensors.write(tmp_path / "w.safetensors", arrays)
    read = safetensors.read(tmp_path / "w.safetensors")
    assert list(read) == list(arrays)
    assert_same(read, arrays)
    for array in read.values():
        assert array.flags.aligned
        assert not array.flags.writeable


def test_file_read_by_the_package_is_what_was_written(tmp_path, rng):
    package = pytest.importorskip("safetensors.numpy")
    arrays = random_arrays(rng, (*PLAIN, *FLOATS, *EIGHTS[:3]))
    safetensors.write(tmp_path / "w.safetensors", arrays, {"format": "pt"})
    with pytest.importorskip("safetensors").safe_open(tmp_path / "w.safetensors", "np") as file:
        assert file.metadata() == {"format": "pt"}
        assert set(file.keys()) == set(arrays)
    plain = {name: array for name, array in arrays.items() if "float8" not in name}
    safetensors.write(tmp_path / "w.safetensors", plain)
    assert_same(package.load_file(tmp_path / "w.safetensors"), plain)


def test_file_written_by_the_package_is_read(tmp_path, rng):
    package = pytest.importorskip("safetensors.numpy")
    arrays = {name: np.ascontiguousarray(array) for name, array in random_arrays(rng, PLAIN + FLOATS).items()}
    arrays = {name: array for name, array in arrays.items() if not name.endswith("scalar")}
    package.save_file(arrays, tmp_path / "w.safetensors", {"format": "np"})
    assert_same(safetensors.read(tmp_path / "w.safetensors"), arrays)


def test_tensors_written_by_the_package_for_pytorch_are_read(tmp_path):
    torch = pytest.importorskip("torch")
    package = pytest.importorskip("safetensors.torch")
    names = ("float8_e4m3fn", "float8_e5m2", "bfloat16", "float16", "complex64")
    tensors = {name: torch.randn(3, 4).to(getattr(torch, name)) for name in names}
    package.save_file(tensors, tmp_path / "w.safetensors")
    for name, array in safetensors.read(tmp_path / "w.safetensors").items():
        assert array.dtype.name == name
        assert array.tobytes() == tensors[name].reshape(-1).view(torch.uint8).numpy().tobytes()


def test_layout_is_the_definitions(tmp_path):
    values = np.array([[1.0, 2.0]], np.float32)
    header = {"__metadata__": {"by": "hand"}, "a": entry("F32", (1, 2), 3, 11), "b": entry("U8", (3,), 0, 3)}
    path = file_of(tmp_path / "w", json.dumps(header) + "   ", bytes([7, 8, 9]) + values.astype("<f4").tobytes())
    assert_same(safetensors.read(path), {"a": values, "b": np.array([7, 8, 9], np.uint8)})


def test_written_file_follows_the_definition(tmp_path):
    safetensors.write(tmp_path / "w", {"b": np.array([7], np.uint8), "a": np.array([1.0], ">f4")}, {"by": "hand"})
    data = (tmp_path / "w").read_bytes()
    length = int.from_bytes(data[:8], "little")
    assert length % 8 == 0
    assert json.loads(data[8 : 8 + length]) == {
        "__metadata__": {"by": "hand"},
        "b": {"dtype": "U8", "shape": [1], "data_offsets": [4, 5]},
        "a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
    }
    assert data[8 + length :] == np.array([1.0], "<f4").tobytes() + b"\7"


def test_file_without_arrays_is_read(tmp_path):
    safetensors.write(tmp_path / "w", {})
    assert safetensors.read(tmp_path / "w") == {}


@pytest.mark.parametrize(
    ("header", "body", "reason"),
    [
        ({"a": entry()}, 7, r"is cut short: a reaches beyond its end\. Fetch it again"),
        ({"a": entry()}, 9, "1 bytes at its end belong to no array"),
        ({"a": entry(begin=1, end=9)}, 9, "leave a hole"),
        ({"a": entry(), "b": entry(begin=9, end=17)}, 17, "leave a hole"),
        ({"a": entry(), "b": entry(begin=4, end=12)}, 12, "overlap"),
        ({"a": entry(), "b": entry()}, 8, "overlap"),
        ({"a": entry(begin=8, end=0)}, 8, "leave a hole"),
        ({"a": entry(shape=(3,))}, 8, "needs 12 bytes and has 8"),
        ({"a": entry(shape=(2**40, 2**40))}, 8, "beyond all memory"),
        ({"a": entry(shape=(2**40,))}, 8, "needs 4,398,046,511,104 bytes and has 8"),
        ({"a" * 1001: entry()}, 8, "a name of 1,001 letters"),
        ({"a": entry(shape=(2**40, 2**40, 0), end=0)}, 0, "beyond all memory"),
        ({"a": entry(shape=(-2,))}, 8, "no list of sizes"),
        ({"a": entry(shape=(2.0,))}, 8, "no list of sizes"),
        ({"a": entry(shape=(True, 2))}, 8, "no list of sizes"),
        ({"a": entry(shape=(1,) * 65)}, 4, "no list of sizes"),
        ({"a": entry(dtype="F31")}, 8, "a dtype that is none of"),
        ({"a": entry(dtype=["F32"])}, 8, "a dtype that is none of"),
        ({"a": {"dtype": "F32"}}, 0, "must have a dtype"),
        ({"a": 3}, 0, "must have a dtype"),
        ("[]", 0, "not a JSON object"),
        ("{", 0, "not the JSON"),
        ("[" * 100_000, 0, "not the JSON"),
        ('{"a": ' + "9" * 5000 + "}", 0, "not the JSON"),
        ('{"a": 1, "a": 1}', 0, "a name comes twice"),
    ],
)
def test_file_at_odds_with_the_format_is_refused(header, body, reason, tmp_path):
    with pytest.raises(UserError, match=reason):
        safetensors.read(file_of(tmp_path / "w", header, bytes(body)))


@pytest.mark.parametrize("length", [3, 10**8 + 1, 2**63])
def test_header_that_lies_about_its_length_is_refused(length, tmp_path):
    with pytest.raises(UserError, match=r"not the JSON|its header claims"):
        safetensors.read(file_of(tmp_path / "w", {"a": entry()}, bytes(8), length))


@pytest.mark.parametrize(
    "arrays", [{"a": np.zeros(1, np.complex128)}, {"a": np.array(["x"])}, {"__metadata__": np.ones(1)}]
)
def test_array_that_the_format_lacks_is_not_written(arrays, tmp_path):
    with pytest.raises(UserError, match="cannot write"):
        safetensors.write(tmp_path / "w", arrays)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("what", ["names", "letters", "metadata", "brackets"])
def test_file_that_would_not_be_read_is_not_written(what, tmp_path):
    names = {"names": map(str, range(100_001)), "letters": ["a" * 1001], "metadata": ["a"], "brackets": ["a"]}[what]
    metadata = {"metadata": {"notes": "a" * 10**7}, "brackets": {"notes": "[" * 10**6}}.get(what)
    with pytest.raises(UserError, match="cannot write"):
        safetensors.write(tmp_path / "w", dict.fromkeys(names, np.zeros(0)), metadata)
    assert not list(tmp_path.iterdir())


def test_metadata_that_is_no_text_is_refused(tmp_path):
    with pytest.raises(UserError, match="must be text"):
        safetensors.write(tmp_path / "w", {}, {"epoch": 3})
