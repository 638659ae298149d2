"""Every function and class that a weight file may call, by its name in the file."""

import re
from collections.abc import Callable
from typing import Any

from jaxdl.transfer.faults import FileError
from jaxdl.transfer.numpy_arrays import Array, Dtype, from_buffer
from jaxdl.transfer.records import Global, Record
from jaxdl.transfer.tensor import DTYPES, Tensor, tensor
from jaxdl.wording import shown

_PYTHON_2 = {"__builtin__": "builtins", "copy_reg": "copyreg"}
# Harmless here, where nothing is run, but no file of weights has a use for what is in these.
_NO_MODULES = re.compile(
    "asyncio|bdb|builtins|code|codeop|commands|ctypes|dill|ftplib|http|importlib|io|marshal|multiprocessing|nt|os|pdb|"
    "pickle|pip|posix|profile|pty|requests|runpy|shutil|signal|smtplib|socket|subprocess|sys|tempfile|threading|timeit|"
    "trace|urllib|webbrowser|xmlrpc|zipimport"
)
# Modules of values alone, whose functions and classes in small letters are as opaque as any class.
_VALUES = re.compile(
    "array|collections|datetime|decimal|enum|fractions|functools|ipaddress|itertools|numpy|pandas|pathlib|random|re|"
    "types|typing|uuid|zoneinfo"
)
MOST_LETTERS = 200  # of a name inside a class, which a file can make of others


def find(module: str, name: str) -> Global:
    """The name, as Python 3 spells it; nothing is looked up behind it."""
    if len(module) + len(name) > 1000:
        raise FileError(f"it names something by {len(module) + len(name):,} letters")
    return Global(f"{_PYTHON_2.get(module, module)}.{name}")


def key(value: Any) -> Any:
    """``value`` as a dict key; anything but a string equals only itself, as no tensor is found by it.

    A file could choose tuples that hash slowly, or numbers that a dict takes long to tell apart.
    """
    return value if isinstance(value, str | bytes) else object()


def call(function: Any, arguments: tuple) -> Any:
    """Result of ``function`` if it is a known one, an opaque record of what only makes a value; nothing is run.

    A name is of such where it is a class's, which begins with a capital, or lies in a module of values. Raises
    FileError with the name of any other.
    """
    if isinstance(function, Record):
        return Record(function.kind)
    name = function.name if isinstance(function, Global) else f"a {type(function).__name__}"
    if name in _REFUSED:
        raise FileError(f"it has {_REFUSED[name]} ({name}), which is not read; {_ADVICE}")
    if name not in _CALLS and isinstance(function, Global) and _is_value(name):
        return Record(name)
    if name not in _CALLS or len(arguments) > 10:
        raise _refused(name)
    try:
        return _CALLS[name](*arguments)
    except TypeError:
        raise FileError(f"it calls {name} with arguments that it does not take") from None


def instance(kind: Any, *unused: Any) -> Record:
    """An opaque record of the class; nothing is imported and no constructor runs."""
    if isinstance(kind, Record):  # a class that was made by a call
        return Record(kind.kind)
    if not isinstance(kind, Global):
        raise FileError(f"it makes an object of a {type(kind).__name__}, which is no class")
    if _has_no_use(kind.name):
        raise _refused(kind.name)
    return Record(kind.name)


def _is_value(name: str) -> bool:
    if name in _OPAQUE:
        return True
    last = name.rpartition(".")[2].lstrip("_")
    return not _has_no_use(name) and (last[:1].isupper() or _VALUES.fullmatch(name.partition(".")[0]) is not None)


def _has_no_use(name: str) -> bool:
    return _NO_MODULES.fullmatch(name.partition(".")[0]) is not None


def _refused(name: str) -> FileError:
    return FileError(f"refuses to call {shown(name)}, which the file asks for; {_ADVICE}")


_ADVICE = "save model.state_dict() from PyTorch and load that file instead"


def _mapping(pairs: Any = ()) -> dict:
    """Python 2 writes an OrderedDict as a list of pairs."""
    if isinstance(pairs, dict) and not pairs:
        return {}
    pairs = _taken(pairs)
    if not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs):
        raise FileError("it makes a dict of something else than pairs")
    return {key(name): value for name, value in pairs}


def _set(values: Any = ()) -> set:
    return set(map(key, _taken(values)))


def _taken(values: Any) -> list:
    """The entries of a list, which is emptied: a short file could otherwise have one list copied a million times."""
    if values == ():
        return []
    if type(values) is not list:
        raise FileError("it makes a container of something else than a list")
    taken = values.copy()
    values.clear()
    return taken


def _same(value: Any = ()) -> Any:
    if not isinstance(value, list | tuple):
        raise FileError("it makes a list of something that is none")
    return value


def _size(values: Any) -> tuple:
    if not isinstance(values, tuple):
        raise FileError("it has a torch.Size of something else than a tuple")
    return values


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *rest: Any) -> Tensor:
    """rest: requires_grad, hooks, and the bits that PyTorch sets for a lazy conjugate or negative."""
    return tensor(storage, offset, shape, strides, bits=rest[2] if len(rest) > 2 else None)


def _tensor_v3(
    storage: Any, offset: Any, shape: Any, strides: Any, grad: Any, hooks: Any, dtype: Any, bits: Any = None
) -> Tensor:
    name = dtype.name.removeprefix("torch.") if isinstance(dtype, Global) else type(dtype).__name__
    if name not in DTYPES:
        raise FileError(f"it has a tensor of {shown(name)}, which has no counterpart in NumPy")
    return tensor(storage, offset, shape, strides, DTYPES[name], bits)


def _parameter(data: Any, *rest: Any) -> Any:
    return data


def _from_type(function: Any, kind: Any, arguments: Any, state: Any) -> Any:
    """A tensor with attributes, or of a subclass: the plain tensor."""
    if function not in (find("torch._utils", name) for name in _PLAIN_TENSORS) or not isinstance(arguments, tuple):
        raise _refused(function.name if isinstance(function, Global) else f"a {type(function).__name__}")
    return call(function, arguments)


def _attribute(owner: Any, name: Any) -> Global | Record:
    """A name in a class, or a method: a class inside another, and a member of an enumeration, are pickled so."""
    known = owner.name if isinstance(owner, Global) else owner.kind if isinstance(owner, Record) else "builtins"
    if _has_no_use(known) or not isinstance(name, str) or len(known) + len(name) > MOST_LETTERS:
        raise _refused("builtins.getattr")
    return Global(f"{known}.{name}") if isinstance(owner, Global) else Record(f"{known}.{name}")


def _encoded(text: Any, encoding: Any = "utf-8") -> bytes | Record:
    """Bytes, which Python 3 writes so for protocols that have none."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        return Record("_codecs.encode")
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        raise FileError("it has bytes beyond 255") from None


def _bytes(*arguments: Any) -> bytes | Record:
    return Record("builtins.bytes") if arguments else b""


_PLAIN_TENSORS = ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3")
_CALLS: dict[str, Callable[..., Any]] = {
    "_codecs.encode": _encoded,
    "builtins.bytes": _bytes,
    "builtins.dict": _mapping,
    "builtins.frozenset": _set,
    "builtins.getattr": _attribute,
    "builtins.list": _same,
    "builtins.set": _set,
    "builtins.tuple": _same,
    "collections.OrderedDict": _mapping,
    "collections.defaultdict": lambda factory=None: {},
    "copyreg.__newobj__": instance,
    "copyreg._reconstructor": lambda kind, base, state: instance(kind),
    **{f"numpy.{core}.multiarray._reconstruct": lambda *unused: Array() for core in ("core", "_core")},
    **{f"numpy.{core}.numeric._frombuffer": from_buffer for core in ("core", "_core")},
    "numpy.dtype": lambda code, *unused: Dtype(code),
    "torch.Size": _size,
    "torch._tensor._rebuild_from_type": _from_type,
    "torch._tensor._rebuild_from_type_v2": _from_type,
    "torch._utils._rebuild_device_tensor_from_cpu_tensor": _parameter,
    "torch._utils._rebuild_device_tensor_from_numpy": _parameter,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _tensor_v3,
}
# No tensor hangs on these, so they stay what the file calls them. To make them could cost what the file pleases:
# bytearray(10**12).
_OPAQUE = {
    "builtins.bytearray",
    "builtins.complex",
    "builtins.float",
    "builtins.int",
    "builtins.object",
    "builtins.range",
    "builtins.slice",
    "builtins.str",
    "builtins.xrange",
    "torch.device",
    "torch.nn.backends.thnn._get_thnn_function_backend",
    "torch.serialization._get_layout",
}
_REFUSED = {
    "torch._utils._rebuild_meta_tensor_no_storage": "a tensor without data, of the meta device",
    "torch._utils._rebuild_nested_tensor": "a nested tensor",
    "torch._utils._rebuild_qtensor": "a quantised tensor",
    "torch._utils._rebuild_sparse_csr_tensor": "a sparse tensor",
    "torch._utils._rebuild_sparse_tensor": "a sparse tensor",
}
