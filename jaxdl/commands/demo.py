"""A run's network on a page of this computer: ``python -m jaxdl demo runs/NAME``."""

import signal
import socket
import sys
from dataclasses import dataclass

from jaxdl.errors import UserError
from jaxdl.report.heartbeat import Heartbeat
from jaxdl.run import flags, terminal
from jaxdl.run.chosen import NetworkOptions
from jaxdl.run.flags import flag
from jaxdl.run.status import exit_status
from jaxdl.train.interrupt import Interrupted
from jaxdl.wording import printable

COMMAND = "jaxdl demo"
ABOUT = (
    "Serve a web page, to this computer only, on which to drop, paste or choose a picture: it shows the network's "
    "prediction, the picture as the network sees it, and which pixels matter."
)
HOST = "127.0.0.1"


@dataclass(frozen=True, kw_only=True)
class Options(NetworkOptions):
    """Flags: the network, and the port of its page."""

    port: int = flag(8765, "port of the page on this machine; 0: any free one", min=0, below=2**16)
    top: int = flag(5, "number of most probable classes to show", min=1)


def main(argv: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    return exit_status(lambda: _serve(sys.argv[1:] if argv is None else argv), Options)


def _serve(argv: list[str]) -> None:
    options, given = flags.parse(argv, Options(), COMMAND, ABOUT)
    options.check_there(given)
    with _bound(options.port) as place:
        terminal.say_loading()
        from jaxdl.commands.demo_page.application import Demo, serve  # with which comes JAX

        with Heartbeat("loading the network", on_terminal=True):
            run = options.load()
        if run.record["notice"]:
            print(printable(run.record["notice"]), file=sys.stderr)
        port = place.getsockname()[1]
        with Heartbeat("compiling the predictions and their maps", on_terminal=True):
            demo = Demo(run, top=options.top, hosts=(f"{HOST}:{port}", f"localhost:{port}"))
        place.listen()
        print(f"http://{HOST}:{port}/  Ctrl-C ends it.", flush=True)
        try:
            serve(demo, place)
        except Interrupted as stopped:
            if stopped.number != signal.SIGINT:  # Ctrl-C is how it is meant to end
                raise


def _bound(port: int) -> socket.socket:
    """Taken before the network is loaded, so that a port in use is known at once."""
    place = socket.socket()
    place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        place.bind((HOST, port))
    except OSError as error:
        place.close()
        raise UserError(f"port {port} is not to be had ({error.strerror}). Choose another: --port 0 is any.") from None
    return place
