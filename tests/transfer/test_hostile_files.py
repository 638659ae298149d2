"""A file can ask for nothing but arrays, and for no more of them than it holds."""

import argparse
import pickle
import struct
import time

import numpy as np
import pytest

from jaxdl.errors import UserError
from jaxdl.transfer import opcodes, pickle_machine, pickle_reader
from jaxdl.transfer.pickle_machine import Machine
from tests.transfer.files import named, numbers, state_dict, tensor, text, write_stream, write_zip

WEIGHT = tensor((2, 3), (3, 1))
VALUES = np.arange(6, dtype=np.float32)


class Payload:
    """Object whose unpickling by pickle leaves a file behind."""

    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call


def touch(path):
    open(path, "w").close()


def calls(marker):
    """Pickles that would write ``marker``, by the name that must be refused."""
    source = f"open({str(marker)!r}, 'w')"
    system = f"touch {marker}"
    getattr_chain = named("builtins", "getattr") + named("os", "environ") + text("get") + b"\x86R"
    return {
        "posix.system": pickle.dumps(Payload(__import__("os").system, (system,)), 0),
        "builtins.eval": pickle.dumps(Payload(eval, (source,)), 4),
        "builtins.exec": pickle.dumps({"weight": [Payload(exec, (source,))]}, 2),
        f"{open.__module__}.open": pickle.dumps(Payload(open, (str(marker), "w")), 2),
        "builtins.getattr": b"\x80\x02" + getattr_chain + b".",
        "tests.transfer.test_hostile_files.touch": pickle.dumps(Payload(touch, (str(marker),)), 5),
        "os.popen": b"(" + text(system) + b"ios\npopen\n.",
        "os.execv": b"(" + named("os", "execv") + text(system) + b"o.",
        "subprocess.Popen": b"\x80\x02" + named("subprocess", "Popen") + text(system) + b"\x85\x81.",
        "os.spawnl": b"\x80\x04" + named("os", "spawnl") + text(system) + b"\x85}\x92.",
        "os.startfile": b"\x80\x02" + named("copyreg", "__newobj__") + named("os", "startfile") + b"\x85R.",
        "os.remove": b"\x80\x02" + named("torch._tensor", "_rebuild_from_type_v2") + b"(" + named("os", "remove") + b"N"
        b")}tR.",
        "io.BytesIO": state_dict(weight=WEIGHT, more=named("io", "BytesIO") + b")R"),
        "shutil.rmtree": b"\x80\x02" + named("shutil", "rmtree") + text(str(marker)) + b"\x85R.",
    }


@pytest.mark.parametrize("name", list(calls("")))
def test_call_of_an_unknown_function_is_refused_by_name_and_not_made(name, written, tmp_path):
    marker = tmp_path / "marker"
    with pytest.raises(UserError, match=f"weights.pth: refuses to call {name}, which the file asks for"):
        written(calls(marker)[name])
    assert not marker.exists()


def test_call_hidden_in_the_head_of_a_stream_is_refused(tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(calls(tmp_path / "marker")["builtins.eval"])
    with pytest.raises(UserError, match=r"refuses to call builtins\.eval"):
        pickle_reader.read(path)


def test_unknown_class_is_a_record_that_nobody_imports(written):
    record = named("no.such.package", "Class") + b")\x81}" + text("secret") + text("value") + b"sb"
    np.testing.assert_array_equal(written(state_dict(weight=WEIGHT, other=record))["weight"], VALUES.reshape(2, 3))


def test_objects_that_checkpoints_often_carry_are_passed_over(written):
    others = {"args": argparse.Namespace(lr=0.1), "bytes": b"\xff", "range": range(10**15), "set": {1, (2, (3,))}}
    carried = {name: pickle.dumps(value, 2)[2:-1] for name, value in others.items()}
    assert list(written(state_dict(weight=WEIGHT, **carried))) == ["weight"]


@pytest.mark.parametrize(
    ("shape", "strides", "offset", "elements", "reason"),
    [
        ((7,), (1,), 0, 6, "element 6 in a storage of 6"),
        ((6,), (1,), 1, 6, "element 6 in a storage of 6"),
        ((2, 3), (4, 1), 0, 6, "element 6 in a storage of 6"),
        ((2**40,), (1,), 0, 2**41, "bytes for a storage of 24|does not match|cut short"),
        ((6,), (1,), 0, 2**61 + 6, "bytes for a storage of 24|cut short"),
        ((7,), (1,), 0, 7, "28 bytes for a storage of 24"),
        ((2**20, 2**20), (0, 0), 0, 6, "expanded tensors"),
        ((2**62, 0), (1, 1), 0, 6, "negative, fractional or missing|beyond all memory"),
        ((2**60, 0), (1, 1), 0, 6, "beyond all memory"),
        ((2**40, 2**40), (0, 0), 0, 6, "beyond all memory"),
        ((-1, -6), (1, 1), 0, 6, "negative"),
        ((2, 3), (-3, 1), 3, 6, "negative"),
        ((2,), (1,), -1, 6, "negative"),
        ((2, 3), (1,), 0, 6, "missing size"),
        ((1,) * 65, (1,) * 65, 0, 6, "missing size"),
        ((1,), (1,), 0, -6, "key and a size"),
    ],
)
def test_tensor_that_claims_more_than_its_storage_is_refused(shape, strides, offset, elements, reason, written):
    with pytest.raises(UserError, match=reason):
        written(state_dict(weight=tensor(shape, strides, offset, elements)))


def test_stride_of_an_extent_of_one_may_be_anything(written):
    array = written(state_dict(weight=tensor((1, 6), (2**61, 1))))["weight"]
    np.testing.assert_array_equal(array, VALUES[None])


def test_pickle_of_python_2_is_read(written):
    ordered = named("collections", "OrderedDict") + b"](](U\x06weight" + WEIGHT + b"ee\x85R"
    np.testing.assert_array_equal(written(b"\x80\x02" + ordered + b".")["weight"], VALUES.reshape(2, 3))


def test_only_numbers_with_complex_ones_behind_them_can_be_marked_negative(written):
    bits = b"}" + text("neg") + b"\x88s"
    np.testing.assert_array_equal(written(state_dict(weight=tensor((6,), (1,), bits=bits)))["weight"], -VALUES)
    with pytest.raises(UserError, match="of bool marked"):
        written(state_dict(weight=tensor((6,), (1,), kind="BoolStorage", bits=bits)))


def test_many_tensors_expanded_from_one_element_are_refused_together(written):
    one = tensor((2**26,), (0,))
    assert written(state_dict(a=one, b=one))["b"].shape == (2**26,)
    with pytest.raises(UserError, match="expanded tensors have more than 268,435,456 elements"):
        written(state_dict(**dict.fromkeys("abcdef", one)))


@pytest.mark.parametrize("kind", ["QInt8Storage", "ComplexHalfStorage", "float32", "Tensor", "os"])
def test_storage_of_an_unknown_kind_is_refused_by_name(kind, written):
    with pytest.raises(UserError, match=f"torch.{kind}"):
        written(state_dict(weight=tensor((2,), (1,), kind=kind)))


def test_part_of_a_storage_is_read_from_the_older_format(tmp_path):
    def part(first, elements):
        return b"(" + text("part") + b"I%d\nI%d\nt" % (first, elements)

    path = write_stream(tmp_path / "weights.pth", state_dict(weight=tensor((2,), (1,), 1, view=part(2, 3))))
    np.testing.assert_array_equal(pickle_reader.read(path)["weight"], VALUES[3:5])
    write_stream(path, state_dict(weight=tensor((3,), (1,), 1, view=part(2, 3))))
    with pytest.raises(UserError, match="element 3 in a storage of 3"):
        pickle_reader.read(path)
    write_stream(path, state_dict(weight=tensor((1,), (1,), 0, view=part(2, 5))))
    with pytest.raises(UserError, match="reaches out"):
        pickle_reader.read(path)


@pytest.mark.parametrize("claimed", [7, 5, -1, 2**62])
def test_stream_that_lies_about_a_length_is_refused(claimed, tmp_path):
    path = write_stream(tmp_path / "weights.pth", state_dict(weight=WEIGHT), {"0": (claimed, VALUES.tobytes())})
    with pytest.raises(UserError, match=r"cut short|for a storage of 20"):
        pickle_reader.read(path)


def module(parameters=b"}", children=b"}"):
    return named("some", "Module") + b")\x81}(" + text("_parameters") + parameters + text("_modules") + children + b"ub"


@pytest.mark.parametrize(
    ("pickled", "reason"),
    [
        (b"\x80\x02" + b"(" * 5000 + b".", "nests more than 1000"),
        (b"\x80\x02" + b"]" * 100 + b"0" * 101 + b".", "takes a value where there is none"),
        (b"\x80\x02h\x05.", "recalls a value"),
        (b"\x80\x02u.", "ends a container"),
        (b"\x80\x02](K\x01u.", "a list in a place"),
        (b"\x80\x02}(K\x01u.", "key without a value"),
        (b"\x80\x02Iseven\n.", "seven for a number"),
        (b"\x80\x02I" + b"9" * 5000 + b"\n.", "for a number"),
        (b"\x80\x02X\x01\0\0\0\xff.", "not Unicode"),
        (b"\x80\x02X\xff\xff\xff\x7fabc.", "cut short"),
        (b"\x80\x04\x8d" + b"\xff" * 8 + b"abc.", "cut short"),
        (b"\x80\x02\x82\x01.", "unknown opcode"),
        (b"\x80\x02P0\n.", "protocol 0"),
        (b"\x80\x02K\x01Q.", "names a storage"),
        (b"\x80\x02" + named("a" * 2000, "b") + b".", "2,001 letters"),
        (b"\x80\x02" + named("collections", "OrderedDict") + b"](K\x01e\x85R.", "something else than pairs"),
        (b"\x80\x02" + named("torch", "Size") + b"K\x01\x85R.", "torch.Size"),
        (b"\x80\x02" + named("torch._utils", "_rebuild_tensor_v2") + b")R.", "arguments that it does not take"),
        (
            b"\x80\x02" + module(parameters=b"}" + text("weight") + b"K\x01s") + b".",
            "weight is no tensor but of the class int",
        ),
        (b"\x80\x02" + module()[:-2] + text("_modules") + b"}" + text("0") + b"h\0ssb.", "recalls a value"),
    ],
)
def test_pickle_that_is_none_is_refused(pickled, reason, written):
    with pytest.raises(UserError, match=reason):
        written(pickled, storages={})


def test_module_inside_itself_is_refused(written):
    cycle = named("some", "Module") + b")\x81q\x00}(" + text("_parameters") + b"}" + text("_modules") + b"}"
    with pytest.raises(UserError, match="more than 100 deep"):
        written(b"\x80\x02" + cycle + text("0") + b"h\x00sub.", storages={})


def test_module_that_doubles_at_every_level_is_refused(written):
    level = module(parameters=b"}" + text("weight") + WEIGHT + b"s")
    for index in range(60):
        memo = b"r" + struct.pack("<I", index)
        level = level + memo + b"0"
        level += module(children=b"}(" + text("0") + b"j" + memo[1:] + text("1") + b"j" + memo[1:] + b"u")
    with pytest.raises(UserError, match="more than 100,000 names"):
        written(b"\x80\x02" + level + b".")


def test_nested_tuples_as_keys_cost_nothing(written):
    doubled = b"K\x01" + b"2\x86" * 1000
    begin = time.perf_counter()
    assert list(written(state_dict(weight=WEIGHT, other=b"}" + doubled + b"K\x01s"))) == ["weight"]
    assert time.perf_counter() - begin < 2


@pytest.mark.parametrize(
    "key", [b"K\x01", b"G" + bytes(8), b"\x88", b"N", b")"], ids=["int", "float", "bool", "none", "tuple"]
)
def test_keys_that_are_no_text_are_never_compared(key):
    """Numbers can be chosen so that a dict takes as long to tell them apart as it has entries."""
    assert len(opcodes.run(Machine(b"\x80\x02}(" + (key + b"N") * 3 + b"u."))) == 3


@pytest.mark.parametrize("index", [b"-1", b"1000000", b"9" * 4001])
def test_value_stored_at_no_place_is_refused(index, written):
    with pytest.raises(UserError, match=r"stores a value at place|for a number"):
        written(b"\x80\x02Np" + index + b"\n.")


def test_places_between_those_stored_at_are_empty(written):
    assert opcodes.run(Machine(b"\x80\x02Nq\x050h\x05.")) is None
    with pytest.raises(UserError, match="recalls a value"):
        written(b"\x80\x02Nq\x050h\x04.")


def test_members_of_modules_count_in_every_place(written):
    """Those that are no tensors too: a module of many could be in as many others."""
    names = b"}(" + b"".join(text(str(index)) + b"N" for index in range(400)) + b"u"
    places = b"}(" + b"".join(text(str(index)) + b"h\0" for index in range(400)) + b"u"
    with pytest.raises(UserError, match="more than 100,000 names"):
        written(b"\x80\x02" + module(names) + b"q\x000" + module(children=places) + b".", storages={})


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.module."])
def test_wrappers_are_taken_off_as_far_as_all_names_have_them(prefix, written):
    names = {f"{prefix}module.weight": WEIGHT, f"{prefix}bias": WEIGHT, f"{prefix}modules": WEIGHT}
    assert set(written(state_dict(**names))) == {"module.weight", "bias", "modules"}
    assert set(written(state_dict(**{f"{prefix}weight": WEIGHT}))) == {"weight"}


def test_pickle_of_too_many_steps_is_refused(written, monkeypatch):
    monkeypatch.setattr(pickle_machine, "MOST_STEPS", 50)
    with pytest.raises(UserError, match="more than 50 steps"):
        written(b"\x80\x02" + b"N0" * 30 + b"N.")


def test_names_from_a_file_are_made_fit_for_one_line(written):
    with pytest.raises(UserError) as caught:
        written(b"\x80\x04" + text("evil\n\x1b[2J") + text("x" * 200) + b"\x93)R.")
    assert len(str(caught.value).splitlines()) == 1
    assert "\x1b" not in str(caught.value)


def test_numbers_helper_writes_a_tuple():
    assert pickle.loads(numbers(1, -2) + b".") == (1, -2)


def test_rebuilding_inside_rebuilding_is_refused(written):
    rebuild = named("torch._tensor", "_rebuild_from_type_v2") + b"q\x00"
    inner = b")"
    for _ in range(900):
        inner = b"(h\x00N" + inner + b"Nt"
    with pytest.raises(UserError, match=r"refuses to call torch\._tensor\._rebuild_from_type_v2"):
        written(b"\x80\x02" + rebuild + b"0h\x00" + inner + b"R.", storages={})


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_plain_values_are_what_pickle_makes_of_them(protocol):
    values = [True, False, 0, 1, -1, 300, 70_000, -(2**31), 2**80, 1.5, None, "text", "\u00fc\u4e2d", {"a": (1, [2])}]
    pickled = pickle.dumps(values, protocol)
    machine = Machine(pickled)
    made = opcodes.run(machine)
    assert made == values
    assert list(map(type, made)) == list(map(type, values))
    assert machine.position == len(pickled)


def test_text_is_not_made_bytes_more_often_than_the_file_has_them(tmp_path):
    encode = named("_codecs", "encode") + b"q\0" + text("x" * 1000) + text("latin1") + b"\x86q\1"
    path = write_zip(tmp_path / "weights.pth", b"\x80\x02(" + encode + b"h\0h\1R" * 2 + b"t.")
    with pytest.raises(UserError, match="more bytes of texts than it has"):
        pickle_reader.read(path)


def test_class_inside_a_class_is_as_opaque_as_any(written):
    inner = named("builtins", "getattr") + named("some", "Outer") + text("Inner") + b"\x86R" + text("value") + b"\x85R"
    method = named("builtins", "getattr") + inner + text("run") + b"\x86R"
    assert list(written(state_dict(weight=WEIGHT, other=inner, more=method))) == ["weight"]
    for owner in (named("os", "path"), named("builtins", "dict"), b"}"):
        with pytest.raises(UserError, match=r"refuses to call builtins\.getattr"):
            written(state_dict(weight=WEIGHT, other=named("builtins", "getattr") + owner + text("get") + b"\x86R"))


def test_call_of_a_class_that_is_known_by_its_capital_is_opaque_but_none_of_a_module_of_no_use(written):
    called = named("no.such.package", "Phase") + text("train") + b"\x85R"
    assert list(written(state_dict(weight=WEIGHT, other=called))) == ["weight"]
    for module in ("multiprocessing", "ctypes", "pickle"):
        with pytest.raises(UserError, match=f"refuses to call {module}.Any"):
            written(state_dict(weight=WEIGHT, other=named(module, "Any") + text("train") + b"\x85R"))
