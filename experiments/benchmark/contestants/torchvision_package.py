"""torchvision, where it is installed."""

from types import ModuleType

from experiments.benchmark.contestants import LeftOutError, optional


def load() -> ModuleType:
    """torchvision, also beside a torch that its compiled operators are not made for: no transform here uses them.

    Raises LeftOutError where it cannot be had.
    """
    try:
        return optional("torchvision")
    except RuntimeError:
        torch = optional("torch")
        declared = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            declared.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        try:
            torchvision = optional("torchvision")
        except RuntimeError as error:
            raise LeftOutError(f"torchvision cannot be imported: {error}") from error
        torchvision.declared = declared  # which go with the library that declared them
        return torchvision
