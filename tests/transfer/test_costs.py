"""No file costs more than 5 s and 1 GB, however little of it there is and whatever it holds."""

import json
import struct
import zipfile

import numpy as np
import pytest

from jaxdl.errors import UserError
from jaxdl.transfer import archive, opcodes, pickle_machine, pickle_reader, state_dicts, zip_directory
from jaxdl.transfer.pickle_machine import Machine
from tests.pytorch import torch, torchvision
from tests.transfer.files import STREAM_HEAD, named, numbers, state_dict, tensor, text, write_zip
from tests.transfer.measured import assert_cheap, outcomes

STEPS = 990_000  # opcodes: just below the bound
NAMES = 95_000
HEADER = 9_900_000  # bytes
STORAGE = b"(" + text("storage") + named("torch", "FloatStorage") + text("0") + text("cpu") + b"I6\nt"
TENSOR = named("torch._utils", "_rebuild_tensor_v2") + b"(" + STORAGE + b"QK\0))\x89N}tR"
CALL = named("torch._utils", "_rebuild_tensor_v2") + b"q\0" + b"(" + STORAGE + b"QK\0" + numbers(*(1,) * 64) * 2
CALL += b"\x89N}tq\1"
DTYPE = named("numpy", "dtype") + text("f4") + b"\x85R"
ARRAY = named("numpy._core.numeric", "_frombuffer") + b"q\0" + b"(C\4abcd" + DTYPE + numbers(*(1,) * 64) + b"tq\1"
SET = (
    named("numpy._core.multiarray", "_reconstruct") + b")Rq\0" + b"(" + numbers(*(1,) * 64) + DTYPE + b"\x89C\4abcdtq\1"
)
FROM_TYPE = named("torch._tensor", "_rebuild_from_type_v2") + b"q\2(h\0Nh\1Nt" + b"q\3"
RECORD = named("some", "Class") + b"q\0" + b"0"


def module(parameters=b"}", children=b"}"):
    return named("some", "Module") + b")\x81}(" + text("_parameters") + parameters + text("_modules") + children + b"ub"


def names(count, begin="", letters=0):
    return [f"{begin}{index:06d}".ljust(letters, "x") for index in range(count)]


def mapping(names, value):
    return b"}(" + b"".join(text(name) + value for name in names) + b"u"


def inside(value, keys):
    for key in keys:
        value = b"}" + text(key) + value + b"s"
    return value


def bits(*names):
    return b"}(" + b"".join(text(name) + b"\x88" for name in names) + b"u"


PICKLES = {
    "lists": lambda: b"(" + b"]" * STEPS + b"l",
    "sets": lambda: b"(" + b"\x8f" * STEPS + b"l",
    "dicts": lambda: b"(" + b"}NNs" * (STEPS // 4) + b"l",
    "records": lambda: RECORD + b"(" + b"h\0)\x81" * (STEPS // 3) + b"l",
    "globals": lambda: b"(" + b"ca\nb\n" * STEPS + b"l",
    "storages": lambda: STORAGE + b"q\0" + b"(" + b"h\0Q" * (STEPS // 2) + b"l",
    "wide texts": lambda: b"(" + (b"\x8c\x0cab" + "\U0001f600\U0001f600".encode() + b"cd") * STEPS + b"l",
    "nested tuples": lambda: b"N" + b"\x85" * STEPS,
    "nested lists": lambda: b"]" * (STEPS // 2) + b"a" * (STEPS // 2 - 1),
    "nested dicts": lambda: text("a") + b"q\0" + b"0" + b"}h\0" * (STEPS // 3) + b"}" + b"s" * (STEPS // 3),
    "nested records": lambda: RECORD + b"h\0)\x81" * (STEPS // 8) + b"b" * (STEPS // 8 - 1),
    "tensors of 64 dimensions": lambda: CALL + b"(" + b"h\0h\1R0" * (STEPS // 4) + b"t",
    "typed tensors of 64 dimensions": lambda: CALL + FROM_TYPE + b"(" + b"h\2h\3R0" * (STEPS // 4) + b"t",
    "a shape of half a million": lambda: CALL[:-4] + b"(" + b"K\1" * (STEPS // 2) + b"t2\x89N}tR",
    "tensors under long names": lambda: TENSOR + b"q\0" + b"0" + mapping(names(NAMES, letters=150), b"h\0"),
    "tensors under wrappers": lambda: TENSOR + b"q\0" + b"0" + mapping(names(NAMES, "module." * 20), b"h\0"),
    "state dicts under long keys": lambda: (
        TENSOR + b"q\0" + b"0" + inside(mapping(names(NAMES), b"}U\1wh\0s"), ["k" * 130] * 7)
    ),
    "state dicts under many keys": lambda: (
        TENSOR + b"q\0" + b"0" + inside(mapping(names(NAMES), b"}U\1wh\0s"), ["k." * 65] * 7)
    ),
    "lists under long keys": lambda: inside(b"(" + b"]" * STEPS + b"l", ["k" * 130] * 7),
    "a module's members without tensors": lambda: (
        module(mapping(names(NAMES), b"N")) + b"q\0" + b"0" + module(children=mapping(names(NAMES), b"h\0"))
    ),
    "a module's long names": lambda: (
        module(mapping(names(10), TENSOR)) + b"q\0" + b"0" + module(children=mapping(names(2500, letters=990), b"h\0"))
    ),
    "a long integer": lambda: b"\x8b" + struct.pack("<I", 16_000_000) + b"\x7f" * 16_000_000,
    "a long integer as a key": lambda: b"}\x8b" + struct.pack("<I", 16_000_000) + b"\x7f" * 16_000_000 + b"Ns",
    "a million digits": lambda: b"L" + b"9" * 10**6 + b"L\n",
    "a million digits of a fraction": lambda: b"F0." + b"9" * 10**6 + b"\n",
    "lines of digits": lambda: (b"I" + b"9" * 3999 + b"\n0") * 2000 + (b"F" + b"9" * 3999 + b"\n0") * 2000 + b"N",
    "a place far away": lambda: b"Np99999999999999\n",
    "the farthest place": lambda: b"Nr" + struct.pack("<I", pickle_machine.MOST_STEPS - 1),
    "arrays of 64 dimensions": lambda: ARRAY + b"(" + b"h\0h\1R0" * (STEPS // 4) + b"t",
    "arrays set again and again": lambda: SET + b"h\0h\1b0" * (STEPS // 5) + b"N",
    "a text made bytes again and again": lambda: (
        named("_codecs", "encode")
        + b"q\0"
        + text("x" * 10**6)
        + text("latin1")
        + b"\x86q\1"
        + b"h\0h\1R0" * 10**5
        + b"N"
    ),
    "a name inside a name": lambda: (
        named("a" * 150, "B")
        + b"q\0"
        + named("builtins", "getattr")
        + b"q\1"
        + b"("
        + (b"h\1(h\0" + text("c" * 40) + b"tR") * (STEPS // 12)
        + b"l"
    ),
    "an expanded conjugate": lambda: tensor((2**27,), (0,), 0, 1, "FloatStorage", bits=bits("neg")),
    "the largest negative": lambda: b"}U\1w" + tensor((2**26,), (0,), 0, 1, "FloatStorage", bits=bits("neg")) + b"s",
}
# of them, those that take half a second or more
LONG = {"lists", "sets", "dicts", "records", "globals", "storages", "wide texts", "nested tuples", "nested lists"}
LONG |= {"nested dicts", "nested records", "lists under long keys", "state dicts under many keys"}
LONG |= {"the largest negative"}
HEADERS = {
    "dicts": lambda: '{"a":[' + "{}," * (HEADER // 3) + "{}]}",
    "lists": lambda: '{"a":[' + "[]," * (HEADER // 3) + "{}]}",
    "as many dicts as may be": lambda: '{"a":[' + '{"":1},' * 990_000 + "{}]}",
    "as many deep lists as may be": lambda: '{"a":[' + ("[" * 900 + "]" * 900 + ",") * 1100 + "1]}",
    "numbers": lambda: '{"a":[' + "1234," * (HEADER // 5) + "1]}",
    "digits": lambda: '{"a":[' + ("9" * 4200 + ",") * (HEADER // 4201) + "1]}",
    "names": lambda: "{" + ",".join(f'"{index:06x}":1' for index in range(HEADER // 11)) + "}",
    "one name many times": lambda: '{"a":{' + '"":1,' * (HEADER // 5) + '"":1}}',
    "deep dicts": lambda: '{"a":[' + ('{"":' * 500 + "1" + "}" * 500 + ",") * (HEADER // 2501) + "1]}",
    "deep lists": lambda: '{"a":[' + ("[" * 500 + "]" * 500 + ",") * (HEADER // 1001) + "1]}",
    "empty arrays": lambda: json.dumps(
        {name: {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]} for name in names(NAMES)}
    ),
    "a name": lambda: '{"' + "a" * HEADER + '":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}',
    "more than is read": lambda: '{"a":[' + "{}," * 33_000_000 + "{}]}",
}

LONG_HEADERS = {"names", "empty arrays", "as many dicts as may be", "as many deep lists as may be"}


def write_pickle(path, pickled):
    """Packed, so that the file is small."""
    return write_zip(path, b"\x80\x02" + pickled + b".", method=zipfile.ZIP_DEFLATED)


def chosen(table, long, everything):
    return {name: make for name, make in table.items() if everything or name not in long}


@pytest.fixture(params=[False, pytest.param(True, marks=pytest.mark.slow)], ids=["quick", "all"])
def everything(request):
    return request.param


@pytest.mark.long
@pytest.mark.parametrize("read", ["load_weights", pytest.param("read_checkpoint", marks=pytest.mark.slow)])
def test_small_pickles_cost_little(read, everything, tmp_path):
    paths = []
    for name, make in chosen(PICKLES, LONG, everything).items():
        paths.append(write_pickle(tmp_path / f"{name}.pth", make()))
        assert paths[-1].stat().st_size < 3_000_000
    for path, outcome in zip(paths, outcomes(paths, read), strict=True):
        assert_cheap(outcome, path)


def test_headers_of_safetensors_cost_little(everything, tmp_path):
    paths = []
    for name, make in chosen(HEADERS, LONG_HEADERS, everything).items():
        paths.append(tmp_path / f"{name}.safetensors")
        text = make().encode()
        paths[-1].write_bytes(len(text).to_bytes(8, "little") + text)
    for path, outcome in zip(paths, outcomes(paths), strict=True):
        assert_cheap(outcome, path)


def test_pickles_of_a_stream_take_their_steps_from_one_bound(tmp_path):
    steps = b"\x80\x02(" + b"N" * (pickle_machine.MOST_STEPS // 3) + b"1"
    magic, version, _ = STREAM_HEAD.split(b"\x80\x02")[1:]
    path = tmp_path / "weights.pth"
    for pickles, reason in (([b"}."] * 2, "list of storages"), ([b"}."] * 3, "more than 1,000,000 steps")):
        path.write_bytes(
            b"\x80\x02" + magic + b"\x80\x02" + version + b"".join(steps + each for each in pickles) + b"N."
        )
        with pytest.raises(UserError, match=reason):
            pickle_reader.read(path)


def test_members_that_overlap_are_read_by_nobody(tmp_path):
    """600 storages of 4 MB that are one member."""
    values = np.zeros(2**20, np.float32).tobytes()
    tensors = {f"layer{index}": tensor((2**20,), (1,), elements=2**20, key=f"{index:03d}") for index in range(600)}
    path = write_zip(tmp_path / "weights.pth", state_dict(**tensors), {"000": values})
    content = path.read_bytes()
    begin, end = content.rfind(b"PK\1\2"), content.rfind(b"PK\5\6")
    more = b"".join(content[begin:end].replace(b"data/000", b"data/%03d" % index) for index in range(1, 600))
    first, offset = content.find(b"PK\1\2"), content[end + 16 : end + 20]
    count, size = 2 + 599, len(more) + end - first
    path.write_bytes(
        content[:end] + more + struct.pack("<4s4HI", b"PK\5\6", 0, 0, count, count, size) + offset + b"\0\0"
    )
    outcome = outcomes([path])[0]
    assert_cheap(outcome, path)
    assert "members overlap" in outcome.message


def test_big_endian_storage_is_turned_round_once(tmp_path):
    def viewed(name):
        storage = b"(" + text("storage") + named("torch", "UntypedStorage") + text("0") + text("cpu") + b"I64\ntQ"
        return (
            named("torch._utils", "_rebuild_tensor_v3")
            + b"("
            + storage
            + b"K\0K\2\x85K\1\x85\x89N"
            + named("torch", name)
            + b"tR"
        )

    path = write_zip(
        tmp_path / "weights.pth", state_dict(a=viewed("float32"), b=viewed("int32")), {"0": bytes(64)}, byteorder="big"
    )
    assert list(pickle_reader.read(path)) == ["a", "b"]
    write_zip(path, state_dict(a=viewed("float32"), b=viewed("float64")), {"0": bytes(64)}, byteorder="big")
    with pytest.raises(UserError, match="one storage with elements of two sizes"):
        pickle_reader.read(path)


@pytest.mark.parametrize("name", ["densenet201", "efficientnet_v2_l", "vit_h_14"])
def test_largest_checkpoints_take_less_than_half_of_every_bound(name, tmp_path, monkeypatch):
    """The module, two state dicts, and Adam with its state, twice; each tensor is one number, expanded."""
    with torch().device("meta"):
        model = torchvision().models.get_model(name)
    for part in model.modules():
        for key, held in part._parameters.items():
            part._parameters[key] = held if held is None else torch().nn.Parameter(expanded(held))
        for key, held in part._buffers.items():
            part._buffers[key] = expanded(held)
    optimizer = torch().optim.Adam(model.parameters())
    for held in model.parameters():
        optimizer.state[held] = {"step": torch().tensor(1.0), "exp_avg": expanded(held), "exp_avg_sq": expanded(held)}
    weights = model.state_dict()
    average = {key: expanded(held) for key, held in weights.items()}
    content = {"model": model, "weights": weights, "average": average}
    path = tmp_path / "weights.pth"
    torch().save({**content, "optimizer": optimizer, "optimizer_state": optimizer.state_dict()}, path)
    with zipfile.ZipFile(path) as file:
        members = file.infolist()
        machine = Machine(file.read("weights/data.pkl"), archive._persistent)
    root = opcodes.run(machine)
    assert machine.left > pickle_machine.MOST_STEPS / 2
    assert len(machine.data) < opcodes.MOST_BYTES / 2
    assert len(members) < zip_directory.MOST_MEMBERS / 2
    monkeypatch.setattr(state_dicts, "MOST_NAMES", state_dicts.MOST_NAMES // 2)
    found = state_dicts.find(root)
    assert [list(found[key]) for key in content] == [list(weights)] * 3


def expanded(tensor):
    return torch().zeros((), dtype=tensor.dtype).expand(tensor.shape)
