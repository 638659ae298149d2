"""Weight files changed in their structure: opcodes, headers and entries that are each well formed, and lie together."""

import io
import itertools
import json
import pickletools
import struct
import zipfile

import numpy as np

from jaxdl.transfer import archive, opcodes
from jaxdl.transfer.pickle_machine import Machine
from tests.pytorch import torch
from tests.transfer.files import STREAM_HEAD, named, numbers, tensor, text

# what a field may be set to, by its bytes: the ends of ranges, and what is just beyond them
EXTREMES = (
    0,
    1,
    2,
    3,
    4,
    8,
    63,
    64,
    65,
    255,
    2**15,
    2**16 - 1,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**62,
    2**63 - 1,
    2**64 - 1,
)
NUMBERS = (*EXTREMES, -1, -(2**31), 2**100, 10**40, 1.5, -0.0, 1e308, True, None)
TEXTS = ("", ".", "0", "module.", "_orig_mod.", "a.b", "\n", "\x1b[2J", "\u4e2d", "\ud800", "a" * 1001, "opt", "data")
OPCODES = [
    *(bytes([code]) for code in b"(.012NQRabdel)tou]}s\x81\x85\x86\x87\x88\x89\x8f\x90\x91\x92\x93\x94"),
    *(
        b"h\0",
        b"h\1",
        b"q\0",
        b"q\5",
        b"j\xff\xff\0\0",
        b"r\xff\xff\x0e\0",
        b"g0\n",
        b"p7\n",
        b"K\1",
        b"J\xff\xff\xff\xff",
    ),
    *(b"I01\n", b"L" + b"9" * 30 + b"L\n", b"F1e400\n", b"\x8a\x08" + b"\xff" * 8, b"G" + b"\x7f\xf8" + bytes(6)),
    *(b"Vtext\n", b"S'text'\n", b"B\2\0\0\0ab", b"\x96\2\0\0\0\0\0\0\0ab", b"\x95" + bytes(8), b"iposix\nsystem\n"),
    *(named("collections", "OrderedDict"), named("torch._utils", "_rebuild_tensor_v2"), named("torch", "Size")),
    *(named("torch._utils", "_rebuild_parameter"), named("torch", "HalfStorage"), named("builtins", "set")),
    *(named("torch._tensor", "_rebuild_from_type_v2"), named("argparse", "Namespace"), named("os", "system")),
    *(named("torch._utils", "_rebuild_tensor_v3"), named("torch", "bfloat16"), text("_parameters"), text("_modules")),
    *(named("numpy._core.multiarray", "_reconstruct"), named("numpy", "dtype"), text("f4"), text(">"), b"C\4abcd"),
    *(named("numpy._core.numeric", "_frombuffer"), named("_codecs", "encode"), text("latin1"), b"Rb", b"\x85Rb"),
    *(named("builtins", "getattr"), named("some", "Class")),
    *(text("storage"), text("0"), text("conj"), numbers(2, 3), numbers(*[1] * 64), tensor((2, 3), (3, 1))),
]


def honest():
    """Objects for ``torch.save``: a state dict, a checkpoint, a whole module, views."""
    nn = torch().nn
    torch().manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2))
    optimizer = torch().optim.Adam(module.parameters())
    module[2](torch().ones(1, 4)).sum().backward()
    optimizer.step()
    whole = torch().arange(24.0)
    views = {"turned": whole.view(4, 6).T, "inner": whole[3:7], "wide": whole[:1].expand(50), "none": whole[:0]}
    views |= {"conjugate": torch().ones(3, dtype=torch().complex64).conj(), "half": torch().ones(2).half()}
    weights = module.state_dict()
    arrays = {name: held.numpy() for name, held in weights.items()}
    arrays |= {"swapped": np.arange(3, dtype=">f8"), "columns": np.ones((2, 3), order="F"), "text": np.array(["a"])}
    checkpoint = {"model": weights, "optimizer": optimizer.state_dict(), "args": {"lr": 0.1}}
    return [weights, checkpoint, module, views, arrays]


def archive_of(content, protocol):
    file = io.BytesIO()
    torch().save(content, file, pickle_protocol=protocol)
    return file.getvalue()


def stream_of(archived):
    """Contents of an archive in the older format. PyTorch would name the storages by their memory addresses."""
    counts = {}

    def persistent(name):
        counts[name[2]] = name[4]
        return archive._persistent(name)

    with zipfile.ZipFile(io.BytesIO(archived)) as file:
        top = file.namelist()[0].removesuffix("data.pkl")
        pickled = file.read(f"{top}data.pkl")
        opcodes.run(Machine(pickled, persistent))
        tail = b"".join(struct.pack("<q", count) + file.read(f"{top}data/{key}") for key, count in counts.items())
    return STREAM_HEAD + pickled + b"\x80\x02](" + b"".join(map(text, counts)) + b"e." + tail


class Mutator:
    """Draws files from honest ones; equal ``random`` states give equal files. most: bytes of a repeated part."""

    def __init__(self, random, most):
        self.random, self.most = random, most
        contents = honest()
        self.zips = [archive_of(content, protocol) for content in contents for protocol in (2, 4)]
        self.streams = [stream_of(archived) for archived in self.zips]
        self.headers = [self._header(content) for content in (contents[0], contents[3])]

    def draw(self):
        """The bytes of a file."""
        kinds = (self.pickle_in_zip, self.pickle_in_stream, self.directory, self.stream, self.safetensors)
        return self.random.choice(kinds)()

    def pickle_in_zip(self):
        source, made = zipfile.ZipFile(io.BytesIO(self.random.choice(self.zips))), io.BytesIO()
        method = self.random.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
        with zipfile.ZipFile(made, "w", method) as file:
            for name in source.namelist():
                content = source.read(name)
                file.writestr(
                    zipfile.ZipInfo(name), self._pickle(content) if name.endswith("data.pkl") else content, method
                )
        return made.getvalue()

    def pickle_in_stream(self):
        content = self.random.choice(self.streams)
        pickles, begin = [], 0
        for _ in range(5):
            file = io.BytesIO(content[begin:])
            for _ in pickletools.genops(file):
                pass
            pickles.append(content[begin : begin + file.tell()])
            begin += file.tell()
        changed = self.random.choice((1, 2, 3, 3, 3, 4))
        pickles[changed] = self._pickle(pickles[changed])
        return b"".join(pickles) + content[begin:]

    def stream(self):
        """Eight bytes at a time, in half of the files only from the storages' keys on."""
        content = self.random.choice(self.streams)
        tail = min(content.find(b"\x80\x02]("), len(content) - 9) if self.random.random() < 0.5 else 0
        changed = bytearray(content)
        for _ in range(self.random.randint(1, 4)):
            at = self.random.randrange(tail, len(content) - 8)
            changed[at : at + 8] = self.random.choice(EXTREMES).to_bytes(8, "little")
        return bytes(changed)

    def directory(self):
        """Fields of the local headers, the directory and the two end records; entries left out, repeated, swapped."""
        content = self.random.choice(self.zips)
        begin = content.find(b"PK\1\2")
        end = content.find(b"PK\6\6", begin) if b"PK\6\6" in content[begin:] else content.find(b"PK\5\6", begin)
        entries = [b"PK\1\2" + each for each in content[begin:end].split(b"PK\1\2")[1:]]
        tail = bytearray(content[end:])
        for _ in range(self.random.randint(0, 2)):
            entries = self._rearranged(entries)
        size = sum(map(len, entries))
        if self.random.random() < 0.8:  # else the count and the size are lies
            tail[24:48] = struct.pack("<3Q", len(entries), len(entries), size)
            tail[64:72] = struct.pack("<Q", begin + size)
            tail[84:96] = struct.pack("<2H2I", *[min(len(entries), 2**16 - 1)] * 2, size, begin)
        changed = bytearray(content[:begin] + b"".join(entries) + tail)
        for _ in range(self.random.randint(0, 3)):
            signature = self.random.choice((b"PK\3\4", b"PK\1\2", b"PK\1\2", b"PK\5\6", b"PK\6\6", b"PK\6\7"))
            places = (
                [at for at in range(len(changed)) if changed.startswith(signature, at)] if len(changed) < 10**5 else []
            )
            if places:
                width = self.random.choice((2, 4, 8))
                at = self.random.choice(places) + self.random.randrange(4, 56, 2)
                value = self.random.choice((*EXTREMES, begin, end, size, self.random.randrange(len(changed))))
                changed[at : at + width] = (value % 2 ** (8 * width)).to_bytes(width, "little")
        return bytes(changed)

    def safetensors(self):
        header, body = self.random.choice(self.headers)
        header = json.loads(header)
        for _ in range(self.random.randint(0, 3)):
            self._change_header(header)
        made = json.dumps(header).encode()
        if self.random.random() < 0.2:
            at, end = sorted(self.random.randrange(len(made)) for _ in range(2))
            made = made[:at] + made[at:end] * self._times(made[at:end]) + made[end:]
        length = len(made) if self.random.random() < 0.9 else self.random.choice(EXTREMES)
        return length.to_bytes(8, "little") + made + body[: self.random.choice((len(body), len(body), len(body) // 2))]

    def _times(self, part):
        """How often ``part`` comes: seldom often, and then up to ``most`` bytes of it in all."""
        few = self.random.choice((0, 2, 2, 3, 100))
        return few if self.random.random() < 0.97 else self.random.randint(1, self.most) // max(len(part), 1)

    def _rearranged(self, parts):
        at, end = sorted(self.random.randrange(len(parts) + 1) for _ in range(2))
        match self.random.randrange(4):
            case 0:
                return parts[:at] + parts[at + 1 :]
            case 1:
                return parts[:at] + parts[at : at + 1] * self._times(b"8 bytes.") + parts[at + 1 :]
            case 2:
                return parts[:at] + parts[at:end][::-1] + parts[end:]
            case _:
                return parts[:at] + parts[at:end] * self.random.choice((0, 2, 3)) + parts[end:]

    def _pickle(self, pickled):
        places = [position for _, _, position in pickletools.genops(pickled)] + [len(pickled)]
        parts = [pickled[begin:end] for begin, end in itertools.pairwise(places)]
        for _ in range(self.random.randint(1, 4)):
            at = self.random.randrange(1, len(parts) + 1) if parts else 0
            match self.random.randrange(5):
                case 0:
                    parts = self._rearranged(parts)
                case 1:
                    part = self.random.choice(OPCODES)
                    parts[at:at] = [part] * self._times(part)
                case 2:
                    parts[at : at + 1] = [self.random.choice(OPCODES)]
                case 3:
                    group = [self.random.choice(OPCODES) for _ in range(self.random.randint(2, 4))]
                    parts[at:at] = group * self._times(b"".join(group))
                case _:
                    parts[at : at + 1] = [self._operand(parts[at])] if at < len(parts) else []
        return b"".join(parts)

    def _operand(self, part):
        """The opcode with another number, text, or count of bytes behind it."""
        value = self.random.choice(EXTREMES)
        if part[:1] in b"KMJ\x8a":
            value = self.random.choice((*EXTREMES[:12], -1))
            return b"J" + struct.pack("<i", min(value, 2**31 - 1))
        if part[:1] in b"hjqr":
            return part[:1] + struct.pack(
                "<I" if part[:1] in b"jr" else "<B", value % (2**32 if part[:1] in b"jr" else 256)
            )
        if part[:1] in b"X\x8c":
            return b"X" + struct.pack("<I", len(found := self.random.choice(TEXTS).encode("utf-8", "replace"))) + found
        return part[:1] + value.to_bytes(8, "little")

    def _header(self, tensors):
        header, body = {"__metadata__": {"format": "pt"}}, b""
        for name, held in tensors.items():
            values = held.resolve_conj().contiguous().reshape(-1).view(torch().uint8).numpy().tobytes()
            kinds = {"float32": "F32", "int64": "I64", "complex64": "C64", "float16": "F16"}
            kind = kinds[str(held.dtype).removeprefix("torch.")]
            offsets = [len(body), len(body) + len(values)]
            header[name] = {"dtype": kind, "shape": list(held.shape), "data_offsets": offsets}
            body += values
        return json.dumps(header), body

    def _change_header(self, header):
        names = [name for name, entry in header.items() if isinstance(entry, dict) and _is_whole(entry)]
        name = self.random.choice(names) if names else "a"
        entry = header.get(name, {})
        number = self.random.choice(NUMBERS)
        match self.random.randrange(8) if entry else 7:
            case 0:
                entry["shape"] = self._rearranged(entry["shape"])
            case 1:
                entry["shape"] = [*entry["shape"], number]
            case 2:
                entry["data_offsets"] = self._rearranged(entry["data_offsets"])
            case 3:
                entry["data_offsets"][self.random.randrange(len(entry["data_offsets"]))] = number
            case 4:
                entry["dtype"] = self.random.choice(("F64", "F8_E4M3", "BOOL", "F4", "", 3, None, [], "f32"))
            case 5:
                entry[self.random.choice(("dtype", "shape", "data_offsets", "more"))] = self.random.choice(NUMBERS)
            case 6:
                header[self.random.choice((*TEXTS, "__metadata__"))] = header.pop(name)
            case _:
                nested = [number]
                for _ in range(min(self._times("[]"), 900)):
                    nested = self.random.choice(([nested], {"a": nested}))
                header[self.random.choice(TEXTS)] = self.random.choice((nested, number, dict(entry)))


def _is_whole(entry):
    return (
        isinstance(entry.get("shape"), list) and isinstance(entry.get("data_offsets"), list) and entry["data_offsets"]
    )
