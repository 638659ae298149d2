"""Files of TensorBoard's. The only file that knows tensorboardX."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from jaxdl.report.graph import Node


@contextmanager
def _without_torch() -> Iterator[None]:
    """A context in which ``import torch`` fails: tensorboardX imports it where it can, which takes seconds."""
    if "torch" in sys.modules:
        yield
        return
    sys.modules["torch"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules["torch"]


with _without_torch():
    from tensorboardX import SummaryWriter
    from tensorboardX.proto.attr_value_pb2 import AttrValue
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.proto.graph_pb2 import GraphDef
    from tensorboardX.proto.node_def_pb2 import NodeDef
    from tensorboardX.proto.tensor_shape_pb2 import TensorShapeProto
    from tensorboardX.proto.versions_pb2 import VersionDef


def open_board(folder: Path, *, step: int) -> SummaryWriter:
    """A writer that goes on after ``step``."""
    return SummaryWriter(
        str(folder),
        purge_step=step + 1,  # TensorBoard drops what earlier files hold from there on
        filename_suffix=f".from{step + 1}",  # names differ even within one second
    )


def graph_event(nodes: Sequence[Node]) -> Event:
    """A network's graph, as ``file_writer.add_event`` takes it."""
    stored = [
        NodeDef(
            name=node.name,
            op=node.kind,
            input=node.inputs,
            attr={"_output_shapes": AttrValue(list=AttrValue.ListValue(shape=[_shape(node.shape)]))},
        )
        for node in nodes
    ]
    graph = GraphDef(node=stored, versions=VersionDef(producer=22))
    return Event(graph_def=graph.SerializeToString())


def _shape(sizes: Sequence[int]) -> TensorShapeProto:
    return TensorShapeProto(dim=[TensorShapeProto.Dim(size=size) for size in sizes])
