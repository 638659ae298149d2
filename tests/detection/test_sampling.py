from functools import partial

import jax
import numpy as np
import pytest

from jaxdl.detection import balanced_sample
from tests import pytorch

compiled = jax.jit(balanced_sample, static_argnames=("size", "positive_fraction"))


def labels(rng, positive, negative, of=100):
    """1, 0 and -1 in any order, as torchvision takes them."""
    return rng.permutation(np.repeat([1, 0, -1], [positive, negative, of - positive - negative])).astype(np.int32)


@pytest.mark.parametrize(("size", "fraction"), [(256, 0.5), (512, 0.25), (16, 0.5), (7, 0.3), (1, 0.5), (10, 0.99)])
def test_balanced_sample_chooses_as_many_as_torchvisions(rng, size, fraction):
    pytorch.detection_ops()
    from torchvision.models.detection._utils import BalancedPositiveNegativeSampler

    numbers = [(200, 800), (3, 500), (500, 3), (0, 40), (40, 0), (0, 0), (4, 5), (300, 300), (130, 10)]
    of_each = [labels(rng, *each, of=1000) for each in numbers]
    their_sampler = BalancedPositiveNegativeSampler(size, fraction)
    for seed, of in enumerate(of_each):
        theirs = their_sampler([pytorch.torch().tensor(of)])
        chosen = compiled(jax.random.key(seed), of == 1, of == 0, size=size, positive_fraction=fraction)
        for ours, expected, candidates in zip(chosen, theirs, (of == 1, of == 0), strict=True):
            assert ours.dtype == bool
            assert ours.sum() == int(expected[0].sum())
            assert not (ours & ~candidates).any()
        assert sum(each.sum() for each in chosen) <= size


@pytest.mark.parametrize("numbers", [(30, 60), (3, 90), (60, 10)])
def test_balanced_sample_chooses_each_candidate_equally_often(rng, numbers):
    of, draws = labels(rng, *numbers), 10_000
    sample = partial(balanced_sample, size=20, positive_fraction=0.25)
    keys = jax.random.split(jax.random.key(0), draws)
    chosen = jax.jit(jax.vmap(sample, (0, None, None)))(keys, of == 1, of == 0)
    for each, candidates in zip(chosen, (of == 1, of == 0), strict=True):
        share = np.asarray(each.mean(0))[candidates]
        among = np.asarray(each[0]).sum() / candidates.sum()
        np.testing.assert_allclose(share, among, atol=5 * np.sqrt(among * (1 - among) / draws))
        if among < 1:  # and apart from its neighbour
            together = np.asarray(each, float)[:, candidates]
            both = np.corrcoef(together, rowvar=False)
            assert np.abs(both[~np.eye(len(both), dtype=bool)] + 1 / (len(both) - 1)).max() < 5.5 / np.sqrt(draws)


def test_balanced_sample_is_a_function_of_the_key(rng):
    of = labels(rng, 30, 60)
    sample = partial(compiled, positive=of == 1, negative=of == 0, size=32, positive_fraction=0.5)
    first, again, other = (sample(jax.random.key(seed)) for seed in (1, 1, 2))
    jax.tree.map(np.testing.assert_array_equal, first, again)
    assert all((ours != theirs).any() for ours, theirs in zip(first, other, strict=True))


def test_balanced_sample_of_batches_equals_that_of_each(rng):
    of = np.stack([labels(rng, *numbers) for numbers in ((50, 40), (0, 100), (3, 3))])
    keys = jax.random.split(jax.random.key(0), 3)
    sample = partial(balanced_sample, size=16, positive_fraction=0.5)
    together = jax.jit(jax.vmap(sample))(keys, of == 1, of == 0)
    for index in range(3):
        alone = jax.jit(sample)(keys[index], of[index] == 1, of[index] == 0)
        jax.tree.map(np.testing.assert_array_equal, jax.tree.map(lambda x, i=index: x[i], together), alone)
