"""What one contestant has to do, as its process is told."""

import dataclasses
import json
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Task:
    """contestant: its name for the subject. model: "" where the subject is not about networks.

    threads: processor cores that the process may use; all that it is given if None.
    """

    subject: str
    contestant: str
    model: str = ""
    batch_size: int
    precision: str = "f32"
    augment: bool = False
    threads: int | None = None

    def to_json(self) -> str:
        """One line."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Task":
        """What ``to_json`` wrote."""
        return cls(**json.loads(text))
