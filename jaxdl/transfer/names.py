"""Every function and class that a weight file may call, by its name in the file."""

from collections.abc import Callable
from typing import Any

from jaxdl.transfer.faults import FileError
from jaxdl.transfer.records import Global, Record
from jaxdl.transfer.tensor import DTYPES, Tensor, tensor
from jaxdl.wording import shown

_PYTHON_2 = {"__builtin__": "builtins", "copy_reg": "copyreg"}
_NO_MODULES = {"builtins", "importlib", "nt", "os", "posix", "pty", "runpy", "shutil", "socket", "subprocess", "sys"}


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
    """Result of ``function`` if it is a known one; raises FileError with its name if not."""
    name = function.name if isinstance(function, Global) else f"a {type(function).__name__}"
    if name in _REFUSED:
        raise FileError(f"it has {_REFUSED[name]} ({name}), which is not read; {_ADVICE}")
    if name in _OPAQUE:
        return Record(name)
    if name not in _CALLS or len(arguments) > 10:
        raise FileError(f"refuses to call {shown(name)}, which the file asks for; {_ADVICE}")
    try:
        return _CALLS[name](*arguments)
    except TypeError:
        raise FileError(f"it calls {name} with arguments that it does not take") from None


def instance(kind: Any, *unused: Any) -> Record:
    """An opaque record of the class; nothing is imported and no constructor runs."""
    if not isinstance(kind, Global):
        raise FileError(f"it makes an object of a {type(kind).__name__}, which is no class")
    if kind.name.split(".")[0] in _NO_MODULES:  # harmless here, but no file of weights has a use for it
        raise FileError(f"refuses to call {shown(kind.name)}, which the file asks for; {_ADVICE}")
    return Record(kind.name)


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
        name = function.name if isinstance(function, Global) else f"a {type(function).__name__}"
        raise FileError(f"refuses to call {shown(name)}, which the file asks for; {_ADVICE}")
    return call(function, arguments)


_PLAIN_TENSORS = ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3")
_CALLS: dict[str, Callable[..., Any]] = {
    "builtins.dict": _mapping,
    "builtins.frozenset": _set,
    "builtins.list": _same,
    "builtins.set": _set,
    "builtins.tuple": _same,
    "collections.OrderedDict": _mapping,
    "collections.defaultdict": lambda factory=None: {},
    "copyreg.__newobj__": instance,
    "copyreg._reconstructor": lambda kind, base, state: instance(kind),
    "torch.Size": _size,
    "torch._tensor._rebuild_from_type": _from_type,
    "torch._tensor._rebuild_from_type_v2": _from_type,
    "torch._utils._rebuild_device_tensor_from_cpu_tensor": _parameter,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _tensor_v3,
}
# No tensor hangs on these, so they stay what the file calls them. To make them could cost what the file pleases:
# bytearray(10**12).
_OPAQUE = {
    "_codecs.encode",
    "argparse.Namespace",
    "builtins.bytearray",
    "builtins.bytes",
    "builtins.complex",
    "builtins.float",
    "builtins.int",
    "builtins.object",
    "builtins.range",
    "builtins.slice",
    "builtins.xrange",
    "collections.Counter",
    "collections.deque",
    "datetime.date",
    "datetime.datetime",
    "datetime.timedelta",
    "functools.partial",
    "numpy._core.multiarray._reconstruct",
    "numpy._core.multiarray.scalar",
    "numpy._core.numeric._frombuffer",
    "numpy.core.multiarray._reconstruct",
    "numpy.core.multiarray.scalar",
    "numpy.core.numeric._frombuffer",
    "numpy.dtype",
    "pathlib.PosixPath",
    "pathlib.PurePosixPath",
    "pathlib.PureWindowsPath",
    "pathlib.WindowsPath",
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
