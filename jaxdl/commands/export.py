"""A run's network to take away: ``python -m jaxdl export runs/NAME``."""

import sys
from dataclasses import dataclass
from pathlib import Path

from jaxdl import disk
from jaxdl.errors import UserError
from jaxdl.report.heartbeat import Heartbeat
from jaxdl.run import flags, run_folder, terminal
from jaxdl.run.chosen import NetworkOptions
from jaxdl.run.flags import flag
from jaxdl.run.status import exit_status
from jaxdl.wording import counted

COMMAND = "jaxdl export"
ABOUT = (
    "Export a run's network, or pretrained weights, to a folder: weights under PyTorch's names, a description to "
    "rebuild it from here, and a function from pixels to probabilities that needs only jax."
)
SERVED = "model.jaxexport"


@dataclass(frozen=True, kw_only=True)
class Options(NetworkOptions):
    """Which network, and where to."""

    out: str | None = flag(None, "folder to write", unset="<run>/export, or <model>-export", path=True)
    platforms: str = flag("cpu,cuda,tpu", "platforms to compile the function for, comma-separated")


def main(argv: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    return exit_status(lambda: _export(sys.argv[1:] if argv is None else argv), Options)


def _export(argv: list[str]) -> None:
    options, given = flags.parse(argv, Options(), COMMAND, ABOUT)
    options.check_there(given)
    out = Path(options.out or (Path(options.run, "export") if options.model is None else f"{options.model}-export"))
    if out.exists():
        raise UserError(f"{out} exists; nothing is overwritten. Name another folder with --out.")
    terminal.say_loading()
    from jaxdl import serving  # with which comes JAX
    from jaxdl.saved_model import DESCRIPTION, WEIGHTS, save_model

    with Heartbeat("loading the network", on_terminal=True) as heartbeat:
        run = options.load()
        heartbeat.begin(f"compiling for {options.platforms}")
        platforms = options.platforms.split(",")
        function = serving.exported(
            run.model, run.variables, image=run.image, mean=run.mean, std=run.std, platforms=platforms
        )
    about = {
        "classes": run.classes,
        "mean": run.mean,
        "std": run.std,
        "resize": run.framing.resize,
        "interpolation": run.framing.interpolation,
        "step": run.step,
        **{
            name: run.record[name] for name in ("command", "dataset", "dataset_source", "dataset_fingerprint", "notice")
        },
    }
    save_model(out, run.model, run.variables, image=run.image, about=about)
    with run_folder.writing(out):
        disk.write(out / SERVED, function)
    size = " x ".join(map(str, run.image))
    print(
        f"{run.config.model}{run.told_updates}, {counted(len(run.classes), 'class', 'classes')}\n"
        f"{out / WEIGHTS}  PyTorch's names and layouts; load_state_dict(safetensors.torch.load_file(...))\n"
        f"{out / DESCRIPTION}  rebuilds it: jaxdl.saved_model.load_model({str(out)!r})\n"
        f"{out / SERVED}  pixels to probabilities without this library, on {options.platforms}:\n"
        f"    served = jax.export.deserialize(open({str(out / SERVED)!r}, 'rb').read())\n"
        f"    probabilities = served.call(images)  # uint8[B, {size.replace(' x ', ', ')}]"
    )
