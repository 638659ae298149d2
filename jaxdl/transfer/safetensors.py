"""Reads and writes ``.safetensors``: the length of a JSON header, the header, the arrays' bytes end to end.

https://huggingface.co/docs/safetensors
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path

import ml_dtypes
import numpy as np

from jaxdl import disk
from jaxdl.errors import UserError
from jaxdl.transfer.faults import FileError, faults_of
from jaxdl.transfer.mapping import aligned, mapped
from jaxdl.wording import shown

MOST_HEADER = 10_000_000  # bytes; the format allows ten times that, of which JSON alone could make 3 GB of objects
MOST_NAMES = 100_000
MOST_LETTERS = 1000  # of a name
MOST_CONTAINERS = 1_000_000  # braces and brackets in a header, of which an array has three; in its texts too
HEAD = 9  # bytes that tell the format: the header's length, and its first brace
DTYPES = {
    "BOOL": np.dtype(np.bool_),
    "U8": np.dtype(np.uint8),
    "I8": np.dtype(np.int8),
    "U16": np.dtype(np.uint16),
    "I16": np.dtype(np.int16),
    "U32": np.dtype(np.uint32),
    "I32": np.dtype(np.int32),
    "U64": np.dtype(np.uint64),
    "I64": np.dtype(np.int64),
    "F8_E4M3": np.dtype(ml_dtypes.float8_e4m3fn),
    "F8_E5M2": np.dtype(ml_dtypes.float8_e5m2),
    "F8_E8M0": np.dtype(ml_dtypes.float8_e8m0fnu),
    "F8_E4M3FNUZ": np.dtype(ml_dtypes.float8_e4m3fnuz),
    "F8_E5M2FNUZ": np.dtype(ml_dtypes.float8_e5m2fnuz),
    "F16": np.dtype(np.float16),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "F32": np.dtype(np.float32),
    "F64": np.dtype(np.float64),
    "C64": np.dtype(np.complex64),
}
_NAMES = {dtype: name for name, dtype in DTYPES.items()}


def begins(head: bytes) -> bool:
    """Whether a file's first ``HEAD`` bytes are those of a safetensors file; no zip and no pickle has such."""
    return head[4:8] == b"\0\0\0\0" and head[8:9] == b"{"


def read(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of a file by name, in the order of its header; read-only and memory-mapped.

    Raises UserError for a file that is missing, truncated or invalid: a header that is too long or not JSON, too many
    names, one that is too long or occurs twice, an unknown dtype, bytes that overlap, that belong to no array, or that
    do not fit dtype and shape.
    """
    path = Path(path)
    with faults_of(path):
        data = mapped(path)
        header, body = _split(data)
        _check_cover(header, len(body))
        return {name: _array(body, entry) for name, entry in header.items()}


def write(path: str | Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None) -> None:
    """Writes ``arrays`` so that ``read`` gives them back, in their order; ``metadata`` goes into the header.

    The file appears whole or not at all. Raises UserError for a dtype that the format lacks, for an array named
    ``__metadata__``, for metadata that is not text, and for more of names and metadata than ``read`` takes.
    """
    path = Path(path)
    header: dict[str, dict] = {}
    if metadata is not None:
        if not all(isinstance(text, str) for item in metadata.items() for text in item):
            raise UserError(f"the metadata of {path} must be text under text, got {dict(metadata)}.")
        header["__metadata__"] = dict(metadata)
    arrays = {name: np.asarray(array) for name, array in arrays.items()}
    for name, array in arrays.items():
        if name == "__metadata__" or array.dtype.newbyteorder("<") not in _NAMES:
            raise UserError(f"cannot write {name!r} of {array.dtype} to {path}. Known: {', '.join(map(str, _NAMES))}.")
        header[name] = {"dtype": _NAMES[array.dtype.newbyteorder("<")], "shape": list(array.shape)}
    # The widest elements first: each array then begins at a multiple of its element's size, and can be mapped.
    laid_out = sorted(arrays, key=lambda name: -arrays[name].itemsize)
    begin = 0
    for name in laid_out:
        header[name]["data_offsets"] = [begin, begin + arrays[name].nbytes]
        begin += arrays[name].nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    longest = len(max(arrays, key=len, default=""))
    if (
        len(text) > MOST_HEADER
        or _containers(text) > MOST_CONTAINERS
        or len(arrays) > MOST_NAMES
        or longest > MOST_LETTERS
    ):
        raise UserError(
            f"cannot write {path}: nothing reads more than {MOST_NAMES:,} names, names of more than {MOST_LETTERS:,} "
            f"letters, or more than {MOST_HEADER:,} bytes of names and metadata, {MOST_CONTAINERS:,} of them brackets."
        )
    part = path.with_name(f"{path.name}.part")
    with part.open("wb") as file:
        file.write(len(text).to_bytes(8, "little"))
        file.write(text)
        for name in laid_out:
            little = arrays[name].astype(arrays[name].dtype.newbyteorder("<"), copy=False)
            file.write(np.ascontiguousarray(little).reshape(-1).view(np.uint8).data)
    disk.put(part, path)


def _array(body: memoryview, entry: dict) -> np.ndarray:
    begin, end = entry["data_offsets"]
    dtype = DTYPES[entry["dtype"]]
    return aligned(body[begin:end], dtype.itemsize).view(dtype).reshape(entry["shape"])


def _split(data: memoryview) -> tuple[dict[str, dict], memoryview]:
    """The header's entries, each of known dtype and plain shape, and the bytes behind it."""
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > len(data) - 8:
        raise FileError(f"is cut short or no safetensors file: its header claims {length:,} bytes. Fetch it again")
    if length > MOST_HEADER:
        raise FileError(f"its header has {length:,} bytes, more than {MOST_HEADER:,}")
    text = bytes(data[8 : 8 + length])
    if _containers(text) > MOST_CONTAINERS:
        raise FileError(f"its header has more than {MOST_CONTAINERS:,} objects and lists")
    try:
        header = json.loads(text.decode(), object_pairs_hook=_unique)
    except (RecursionError, ValueError) as error:
        raise FileError(f"its header is not the JSON of a safetensors file ({shown(error)})") from None
    if not isinstance(header, dict):
        raise FileError("its header is not a JSON object")
    header.pop("__metadata__", None)
    if len(header) > MOST_NAMES:
        raise FileError(f"it has more than {MOST_NAMES:,} names")
    for name, entry in header.items():
        if len(name) > MOST_LETTERS:
            raise FileError(f"it has a name of {len(name):,} letters")
        if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
            raise FileError(f"its header's entry {shown(name)} must have a dtype, a shape and data_offsets, no more")
        if not isinstance(entry["dtype"], str) or entry["dtype"] not in DTYPES:
            raise FileError(f"{shown(name)} has a dtype that is none of {', '.join(DTYPES)}")
        if not _sizes(entry["shape"]) or not _sizes(entry["data_offsets"]) or len(entry["data_offsets"]) != 2:
            raise FileError(f"{shown(name)} has a shape or data_offsets that are no list of sizes")
    return header, data[8 + length :]


def _containers(text: bytes) -> int:
    return text.count(b"{") + text.count(b"[")


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    names = dict(pairs)
    if len(names) != len(pairs):
        raise ValueError("a name comes twice")
    return names


def _sizes(value: object) -> bool:
    if not isinstance(value, list) or len(value) > 64:
        return False
    return all(type(size) is int and 0 <= size < 2**62 for size in value)


def _check_cover(header: dict[str, dict], length: int) -> None:
    """The arrays' bytes follow one another from 0 to ``length``, and each has those that its shape needs."""
    position = 0
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        begin, end = entry["data_offsets"]
        if begin != position or end < begin:
            raise FileError(f"bytes {begin:,} to {end:,} of {shown(name)} overlap others or leave a hole")
        if end > length:
            raise FileError(f"is cut short: {shown(name)} reaches beyond its end. Fetch it again")
        if math.prod(size for size in entry["shape"] if size) >= 2**59:
            raise FileError(f"{shown(name)} has a shape beyond all memory")
        needed = math.prod(entry["shape"]) * DTYPES[entry["dtype"]].itemsize
        if needed != end - begin:
            raise FileError(f"{shown(name)} needs {needed:,} bytes and has {end - begin:,}")
        position = end
    if position != length:
        raise FileError(f"{length - position:,} bytes at its end belong to no array")
