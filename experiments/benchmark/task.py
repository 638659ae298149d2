"""Task of one contestant, as it is sent to its process."""

import dataclasses
import json
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Task:
    """contestant: its name for the subject; of accuracy, ``quick:4`` is quick in four epochs. model: "" where the
    subject is not about networks.

    batch_size: None where it is the contestant's own. threads: processor cores that the process may use; all that it is
    given if None. dataset, data_dir, seed: of the subject accuracy.
    """

    subject: str
    contestant: str
    model: str = ""
    batch_size: int | None = None
    precision: str = "f32"
    augment: bool = False
    threads: int | None = None
    dataset: str = ""
    data_dir: str | None = None
    seed: int = 0

    @property
    def program(self) -> str:
        """The contestant's name without its epochs."""
        return self.contestant.partition(":")[0]

    @property
    def epochs(self) -> int | None:
        """Those in the contestant's name; None where it names none."""
        number = self.contestant.partition(":")[2]
        return int(number) if number else None

    def to_json(self) -> str:
        """One line."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Task":
        """Inverse of ``to_json``."""
        return cls(**json.loads(text))
