"""Layer-wise decay of the learning rate: the further a layer is from the classifier, the less it moves."""

from collections.abc import Sequence

import jax
import optax

from jaxdl.optim.arguments import check_number


def with_layer_decay(
    optimizer: optax.GradientTransformation, decay: float, blocks: Sequence[Sequence[str]]
) -> optax.GradientTransformationExtraArgs:
    """``optimizer`` with the learning rate of each block ``decay`` times that of the one behind it, the last's whole.

    For fine-tuning, as BEiT (Bao et al. 2021) has it: decoupled weight decay slows down with the rate, and a gradient
    is clipped as without. decay: above 0, at most 1. blocks: names of each one's layers, with all below them, from the
    image to the classifier, as ``transfer.blocks`` has them; leaves in none belong to the first.
    """
    check_number("decay", decay, above=0, max=1)
    index = {name: number for number, names in enumerate(blocks) for name in names}

    def scaled(path: tuple, update: jax.Array) -> jax.Array:
        parts = ".".join(str(getattr(part, "key", part)) for part in path).split(".")
        within = [index[name] for end in range(1, len(parts)) if (name := ".".join(parts[:end])) in index]
        return update * decay ** (len(blocks) - 1 - max(within, default=0))

    slower = optax.stateless(lambda updates, params: jax.tree.map_with_path(scaled, updates))
    return optax.chain(optimizer, slower)
