"""The commands with a network that compiles in a second: ``python -m tests.commands.tiny sweep --seed 0:2 ...``.

``slow`` in place of ``sweep`` tells each step and rests after it, for a signal to find it there.
"""

import sys
import time

import flax.linen as nn

import jaxdl.commands.sweep as sweep
import jaxdl.run.sweep.story as story
from jaxdl.run.classification import CLASSIFICATION
from jaxdl.train.interrupt import leave


class Tiny(nn.Module):
    num_classes: int = 10

    @nn.compact
    def __call__(self, x, *, train):
        x = nn.Dense(16)(x[:, ::4, ::4].reshape(len(x), -1))
        x = nn.relu(nn.BatchNorm(not train, momentum=0.9)(x))
        x = nn.Dropout(0.1, deterministic=not train)(x)
        return nn.Dense(self.num_classes)(x)


def model_of(config, *, num_classes):
    return Tiny(num_classes)


TASK = CLASSIFICATION._replace(model=model_of)


def told(fit):
    def slow(*args, on_step, steps_per_call, **options):
        def tell(step, history):
            on_step(step, history)
            print("at", step, flush=True)
            time.sleep(0.1)

        return fit(*args, on_step=tell, steps_per_call=1, **options)

    return slow


if __name__ == "__main__":
    if sys.argv[1] == "slow":
        story.fit = told(story.fit)
    leave(sweep.main(sys.argv[2:], task=TASK))
