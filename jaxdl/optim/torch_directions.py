"""Directions that the optimizers of ``torch.optim`` take, with its options and defaults."""

import optax

from jaxdl.errors import UserError
from jaxdl.optim.arguments import check_number, check_pair
from jaxdl.optim.directions import damped_trace, scale_by_adagrad, scale_by_amsgrad, scale_by_nadam


def sgd(*, momentum: float = 0.0, dampening: float = 0.0, nesterov: bool = False) -> optax.GradientTransformation:
    """Direction of ``torch.optim.SGD``."""
    check_number("momentum", momentum, min=0)
    check_number("dampening", dampening)
    if nesterov and (not momentum or dampening):
        raise UserError(
            f"nesterov needs momentum greater than 0 and no dampening, got momentum={momentum}, dampening={dampening}."
        )
    if not momentum:
        return optax.identity()
    return damped_trace(momentum, dampening) if dampening else optax.trace(momentum, nesterov)


def adam(
    *, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8, amsgrad: bool = False
) -> optax.GradientTransformation:
    """Direction of ``torch.optim.Adam``."""
    check_pair("betas", betas, min=0, below=1)
    check_number("eps", eps, min=0)
    return scale_by_amsgrad(*betas, eps) if amsgrad else optax.scale_by_adam(*betas, eps)


def adagrad(
    *, lr_decay: float = 0.0, initial_accumulator_value: float = 0.0, eps: float = 1e-10
) -> optax.GradientTransformation:
    """Direction of ``torch.optim.Adagrad``."""
    check_number("lr_decay", lr_decay, min=0)
    check_number("initial_accumulator_value", initial_accumulator_value, min=0)
    check_number("eps", eps, min=0)
    direction = scale_by_adagrad(initial_accumulator_value, eps)
    if not lr_decay:
        return direction
    return optax.chain(direction, optax.scale_by_schedule(lambda count: 1 / (1 + count * lr_decay)))


def rmsprop(
    *, alpha: float = 0.99, eps: float = 1e-8, momentum: float = 0.0, centered: bool = False
) -> optax.GradientTransformation:
    """Direction of ``torch.optim.RMSprop``."""
    check_number("alpha", alpha, min=0)
    check_number("eps", eps, min=0)
    check_number("momentum", momentum, min=0)
    scale = optax.scale_by_stddev if centered else optax.scale_by_rms
    direction = scale(alpha, eps, eps_in_sqrt=False)
    return optax.chain(direction, optax.trace(momentum)) if momentum else direction


def adadelta(*, rho: float = 0.9, eps: float = 1e-6) -> optax.GradientTransformation:
    """Direction of ``torch.optim.Adadelta``."""
    check_number("rho", rho, min=0, max=1)
    check_number("eps", eps, min=0)
    return optax.scale_by_adadelta(rho, eps)


def nadam(
    *, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8, momentum_decay: float = 4e-3
) -> optax.GradientTransformation:
    """Direction of ``torch.optim.NAdam``."""
    check_pair("betas", betas, min=0, below=1)
    check_number("eps", eps, min=0)
    check_number("momentum_decay", momentum_decay, min=0)
    return scale_by_nadam(*betas, eps, momentum_decay)
