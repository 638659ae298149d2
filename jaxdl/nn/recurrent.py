"""Recurrent stacks with PyTorch's arguments, parameters and results.

Each layer runs over the whole sequence, forward and, if ``bidirectional``, backward too. Parameters are PyTorch's, in
name, shape and order of gates, so that a ``state_dict`` fits as it is: ``weight_ih_l0: [gates x H, inputs]``,
``weight_hh_l0: [gates x H, H]``, ``bias_ih_l0`` and ``bias_hh_l0: [gates x H]``; the next layer's end in ``_l1``, the
backward direction's in ``_reverse``. All start uniform in +-1/sqrt(H).
"""

import functools
from collections.abc import Callable, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxdl.errors import UserError, unknown
from jaxdl.nn.initializers import uniform

State = tuple[jax.Array, ...]  # (h,), or (h, c) for an LSTM; each float[B, H]
Cell = Callable[[State, jax.Array, Callable], State]  # (state, what x brings, h -> what the state brings) -> state


class _Stack(nn.Module):
    """The layers of one kind of cell.

    hidden_size: H, the length of the state.
    dropout: the share of each layer's outputs but the last one's that is dropped in training; takes the key "dropout".
    """

    hidden_size: int
    num_layers: int = 1
    bidirectional: bool = False
    use_bias: bool = True
    dropout: float = 0.0
    dtype: DTypeLike = jnp.float32

    def _check(self, x: jax.Array, initial: State | None, lengths: jax.Array | None) -> None:
        if x.ndim != 3:
            raise UserError(f"x must have 3 axes [batch, time, inputs], got shape {x.shape}.")
        for name in ("hidden_size", "num_layers"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} must be at least 1, got {getattr(self, name)}.")
        if not 0 <= self.dropout < 1:
            raise UserError(f"dropout must be at least 0 and less than 1, got {self.dropout}.")
        expected = (self.num_layers * (1 + self.bidirectional), x.shape[0], self.hidden_size)
        for part in initial or ():
            if part.shape != expected:
                raise UserError(
                    f"the initial state must have shape {expected}, [layers x directions, batch, hidden_size]; "
                    f"got {part.shape}."
                )
        if lengths is not None and lengths.shape != x.shape[:1]:
            raise UserError(f"lengths must have shape {x.shape[:1]}, one for each sequence; got {lengths.shape}.")
        if self.has_variable("params", "weight_ih_l0"):
            inputs = self.get_variable("params", "weight_ih_l0").shape[1]
            if x.shape[-1] != inputs:
                raise UserError(f"x must have {inputs} on its last axis, which the weights are for; got {x.shape}.")

    def _run(
        self,
        x: jax.Array,
        initial: State | None,
        lengths: jax.Array | None,
        *,
        cell: Cell,
        gates: int,
        parts: int,
        train: bool,
    ) -> tuple[jax.Array, State]:
        self._check(x, initial, lengths)
        hidden, directions = self.hidden_size, 1 + self.bidirectional
        x = x.astype(self.dtype)
        if initial is None:
            initial = (jnp.zeros((self.num_layers * directions, x.shape[0], hidden), self.dtype),) * parts
        init = uniform(hidden**-0.5)
        last = []
        for layer in range(self.num_layers):
            outputs = []
            for reverse in (False, True)[:directions]:
                suffix = f"_l{layer}" + "_reverse" * reverse
                w_in = self.param("weight_ih" + suffix, init, (gates * hidden, x.shape[-1])).astype(self.dtype)
                w_own = self.param("weight_hh" + suffix, init, (gates * hidden, hidden)).astype(self.dtype)
                b_in = b_own = jnp.zeros(gates * hidden, self.dtype)
                if self.use_bias:
                    b_in = self.param("bias_ih" + suffix, init, (gates * hidden,)).astype(self.dtype)
                    b_own = self.param("bias_hh" + suffix, init, (gates * hidden,)).astype(self.dtype)
                state = tuple(part[len(last)].astype(self.dtype) for part in initial)
                step = functools.partial(cell, own=functools.partial(_affine, w_own, b_own))
                output, state = _over_time(step, state, _affine(w_in, b_in, x), lengths, reverse=reverse)
                outputs.append(output)
                last.append(state)
            x = jnp.concatenate(outputs, axis=-1)
            if self.dropout and layer < self.num_layers - 1:
                x = nn.Dropout(self.dropout, deterministic=not train)(x)
        return x, tuple(jnp.stack(part) for part in zip(*last, strict=True))


class RNN(_Stack):
    """``torch.nn.RNN``: h' = f(W_ih x + b_ih + W_hh h + b_hh), where ``nonlinearity`` f is "tanh" or "relu"."""

    nonlinearity: str = "tanh"

    @nn.compact
    def __call__(
        self, x: jax.Array, initial: jax.Array | None = None, *, train: bool, lengths: jax.Array | None = None
    ) -> tuple[jax.Array, jax.Array]:
        """x: float[B, T, inputs], PyTorch's ``batch_first=True``.

        initial: float[layers x directions, B, H], zeros if None.
        lengths: int[B], how many steps of each sequence count, as a packed sequence in PyTorch; all if None. Outputs
        beyond are 0, the backward direction begins at the last that counts.
        Returns the last layer's outputs, float[B, T, directions x H], and the last states, shaped as ``initial``.
        """
        functions = {"tanh": jnp.tanh, "relu": jax.nn.relu}
        if self.nonlinearity not in functions:
            raise unknown("nonlinearity", self.nonlinearity, functions)
        cell = functools.partial(_rnn_cell, functions[self.nonlinearity])
        initial = None if initial is None else (initial,)
        outputs, (h,) = self._run(x, initial, lengths, cell=cell, gates=1, parts=1, train=train)
        return outputs, h


class GRU(_Stack):
    """``torch.nn.GRU`` (Cho et al. 2014), gates in the order reset, update, new.

    As there, and in ``nn.GRUCell``, the reset gate acts after the product with the hidden weights.
    """

    @nn.compact
    def __call__(
        self, x: jax.Array, initial: jax.Array | None = None, *, train: bool, lengths: jax.Array | None = None
    ) -> tuple[jax.Array, jax.Array]:
        """As ``RNN``."""
        initial = None if initial is None else (initial,)
        outputs, (h,) = self._run(x, initial, lengths, cell=_gru_cell, gates=3, parts=1, train=train)
        return outputs, h


class LSTM(_Stack):
    """``torch.nn.LSTM`` (Hochreiter and Schmidhuber 1997), gates in the order input, forget, cell, output."""

    @nn.compact
    def __call__(
        self,
        x: jax.Array,
        initial: Sequence[jax.Array] | None = None,
        *,
        train: bool,
        lengths: jax.Array | None = None,
    ) -> tuple[jax.Array, State]:
        """As ``RNN``, but the state is a pair (h, c) in ``initial`` and in what is returned."""
        initial = None if initial is None else tuple(initial)
        return self._run(x, initial, lengths, cell=_lstm_cell, gates=4, parts=2, train=train)


def _affine(weight: jax.Array, bias: jax.Array, x: jax.Array) -> jax.Array:
    return x @ weight.T + bias.reshape((1,) * (x.ndim - 1) + (-1,))


def _over_time(
    step: Callable[[State, jax.Array], State],
    state: State,
    seen: jax.Array,
    lengths: jax.Array | None,
    *,
    reverse: bool,
) -> tuple[jax.Array, State]:
    """Outputs [B, T, H] and the last state; steps beyond ``lengths`` leave the state alone and put out 0."""
    times = jnp.arange(seen.shape[1])

    def advance(state: State, at: tuple[jax.Array, jax.Array]) -> tuple[State, jax.Array]:
        now, time = at
        new = step(state, now)
        if lengths is None:
            return new, new[0]
        counts = (time < lengths)[:, None]
        new = tuple(jnp.where(counts, after, before) for after, before in zip(new, state, strict=True))
        return new, jnp.where(counts, new[0], 0)

    state, outputs = jax.lax.scan(advance, state, (seen.swapaxes(0, 1), times), reverse=reverse)
    return outputs.swapaxes(0, 1), state


def _rnn_cell(nonlinearity: Callable, state: State, seen: jax.Array, own: Callable) -> State:
    (h,) = state
    return (nonlinearity(seen + own(h)),)


def _gru_cell(state: State, seen: jax.Array, own: Callable) -> State:
    (h,) = state
    seen_reset, seen_update, seen_new = jnp.split(seen, 3, axis=-1)
    own_reset, own_update, own_new = jnp.split(own(h), 3, axis=-1)
    reset = jax.nn.sigmoid(seen_reset + own_reset)
    update = jax.nn.sigmoid(seen_update + own_update)
    new = jnp.tanh(seen_new + reset * own_new)
    return ((1 - update) * new + update * h,)


def _lstm_cell(state: State, seen: jax.Array, own: Callable) -> State:
    h, c = state
    into, forget, new, out = jnp.split(seen + own(h), 4, axis=-1)
    c = jax.nn.sigmoid(forget) * c + jax.nn.sigmoid(into) * jnp.tanh(new)
    return jax.nn.sigmoid(out) * jnp.tanh(c), c
