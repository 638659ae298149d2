"""The demo's page and its answers, as a WSGI application."""

import base64
import hashlib
import json
import socket
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup
from werkzeug.exceptions import Forbidden, HTTPException, MethodNotAllowed, NotFound, RequestEntityTooLarge
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from jaxdl.data.framing import Framing
from jaxdl.data.pictures import SUFFIXES, open_picture
from jaxdl.errors import UserError
from jaxdl.run.finished_run import FinishedRun
from jaxdl.run.network import told

MOST_BYTES = 10_000_000  # of an upload
MOST_PIXELS = 50_000_000
PATIENCE = 30  # seconds for the next byte of a request
PAGE = Path(__file__).parent


class Answers(Protocol):
    """Answers of a task's network to a picture, and the part of the page that shows them, ``<part>.html`` and ``.js``.

    framing: how a picture is read; None: as it is. routes: by path, (request, uint8[H, W, 3]) -> what JSON can hold.
    """

    part: str
    framing: Framing | None
    routes: Mapping[str, Callable[[Request, np.ndarray], dict]]


class Demo:
    """A WSGI application for one run: the page, and what the network makes of a picture that is posted to it.

    ``POST`` to each path of the answers' routes answers as it does; mistakes with a status of 4xx and {"error"}. One
    picture is decoded and predicted at a time. top: classes, at most, that a classifier answers with. hosts: what the
    page may be called, ``name:port``.
    """

    def __init__(self, run: FinishedRun, *, top: int, hosts: tuple[str, ...]):
        self._answers, self._hosts = ANSWERS[run.task.name](run, top), hosts
        self._one_at_a_time = threading.Lock()
        self._page, self._policy = _page(run, self._answers.part)

    def __call__(self, environ: dict, start_response):
        request = Request(environ)
        request.max_content_length = MOST_BYTES + 1  # a body without a length is cut off there, and seen to be by that
        try:
            response = self._answer(request)
        except RequestEntityTooLarge:
            response = _json({"error": f"the file has more than {MOST_BYTES // 1_000_000} MB."}, 413)
        except HTTPException as error:
            response = _json({"error": error.description}, error.code)
        except UserError as error:
            response = _json({"error": str(error)}, 422)
        response.headers.update(
            {
                "Content-Security-Policy": self._policy,
                "X-Content-Type-Options": "nosniff",
                "Referrer-Policy": "no-referrer",
                "Cross-Origin-Resource-Policy": "same-origin",
                "Cache-Control": "no-store",
            }
        )
        return response(environ, start_response)

    def _answer(self, request: Request) -> Response:
        host = request.headers.get("Host", "")
        if host not in self._hosts:  # a name that another site has given this computer's address
            raise Forbidden(f"this page is at http://{self._hosts[0]}/ only.")
        routes = {"/": ("GET", None), **{path: ("POST", each) for path, each in self._answers.routes.items()}}
        if request.path not in routes:
            raise NotFound("there is nothing here.")
        method, answer = routes[request.path]
        if request.method not in (method, "HEAD" if method == "GET" else method):
            raise MethodNotAllowed([method], f"only {method} is answered here.")
        if answer is None:
            return Response(self._page, mimetype="text/html")
        if request.headers.get("Origin") != f"http://{host}":
            raise Forbidden("only the page itself may ask.")
        content = request.get_data(cache=False)
        if len(content) > MOST_BYTES:
            raise RequestEntityTooLarge
        with self._one_at_a_time:
            picture = open_picture(content, self._answers.framing, most_pixels=MOST_PIXELS)
            return _json(answer(request, picture))


def serve(demo: Demo, place: socket.socket) -> None:
    """Answers whoever asks at ``place``, which listens, until an exception ends it."""
    host, port = place.getsockname()
    make_server(host, port, demo, threaded=True, request_handler=_Handler, fd=place.fileno()).serve_forever()


class _Handler(WSGIRequestHandler):
    timeout = PATIENCE

    def log(self, *_) -> None:
        """Nothing: a page that works has nothing to report."""


def _classes(run: FinishedRun, top: int) -> Answers:
    from jaxdl.commands.demo_page.classes import Classes

    return Classes(run, top=top)


def _masks(run: FinishedRun, top: int) -> Answers:
    from jaxdl.commands.demo_page.masks import Masks

    return Masks(run)


def _boxes(run: FinishedRun, top: int) -> Answers:
    from jaxdl.commands.demo_page.boxes import Boxes

    return Boxes(run)


ANSWERS = {"classification": _classes, "detection": _boxes, "segmentation": _masks}  # by task


def _page(run: FinishedRun, part: str) -> tuple[str, str]:
    """The page, and the policy by which a browser runs what is in it and nothing else."""
    style = PAGE.joinpath("page.css").read_text(encoding="utf-8")
    script = "".join(PAGE.joinpath(name).read_text(encoding="utf-8") for name in ("page.js", f"{part}.js"))
    page = Environment(loader=FileSystemLoader(PAGE), autoescape=True).get_template("page.html")
    allowed = {
        "default-src": "'none'",
        "script-src": _hash(script),
        "style-src": _hash(style),
        "img-src": "data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    text = page.render(
        model=told(run.model, run.config),
        updates=run.told_updates,
        source=run.record["dataset_source"],
        notice=run.record["notice"],
        classes=run.classes,
        size=run.image[0],
        part=f"{part}.html",
        accept=",".join(SUFFIXES),
        most_bytes=MOST_BYTES,
        style=Markup(style),
        script=Markup(script),
    )
    return text, "; ".join(f"{name} {value}" for name, value in allowed.items())


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _json(content: dict, status: int = 200) -> Response:
    return Response(json.dumps(content), status, mimetype="application/json")
