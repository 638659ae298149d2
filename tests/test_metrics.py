import jax.numpy as jnp
import numpy as np

from jaxdl.metrics import Mean, Totals, correct


def test_mean_ignores_what_is_masked_even_nan():
    mean = Mean.of(jnp.array([1.0, 2.0, jnp.nan]), jnp.array([True, True, False]))
    assert (float(mean.total), float(mean.count), float(mean.value)) == (3.0, 2.0, 1.5)


def test_mean_of_nothing_is_zero():
    assert float(Mean.of(jnp.array([jnp.nan]), jnp.array([False])).value) == 0.0


def test_totals_of_uneven_batches_are_the_mean_of_all(rng):
    values = rng.normal(size=100).astype(np.float32)
    totals = Totals()
    for part in np.split(values, [3, 50, 51]):
        totals.add({"loss": Mean.of(jnp.asarray(part), jnp.ones(len(part), bool))})
    np.testing.assert_allclose(totals.means()["loss"], values.mean(), rtol=1e-5)
    assert totals.count("loss") == 100
    assert totals.count("absent") == 0


def test_correct_counts_the_largest_logit():
    logits = jnp.array([[1.0, 2.0], [3.0, 0.0], [0.0, 1.0]])
    assert correct(logits, jnp.array([1, 1, 1])).tolist() == [1.0, 0.0, 1.0]
