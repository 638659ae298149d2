"""Reads event files as TensorBoard stores them: length, checksum, a protobuf, checksum."""

import struct

from tensorboardX.proto.event_pb2 import Event


def scalars(folder):
    """``{tag: {step: value}}`` over all event files of ``folder``."""
    found = {}
    for path in sorted(folder.iterdir()):
        content, place = path.read_bytes(), 0
        while place < len(content):
            (length,) = struct.unpack_from("<Q", content, place)
            event = Event.FromString(content[place + 12 : place + 12 + length])
            place += 16 + length
            for value in event.summary.value:
                if value.HasField("simple_value"):
                    found.setdefault(value.tag, {})[event.step] = value.simple_value
    return found
