"""The demo's page and its answers, as a WSGI application."""

import base64
import hashlib
import json
import socket
import threading
from functools import partial
from pathlib import Path

import jax
import numpy as np
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup
from matplotlib import colormaps
from werkzeug.exceptions import BadRequest, Forbidden, HTTPException, MethodNotAllowed, NotFound, RequestEntityTooLarge
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from jaxdl.data import augment
from jaxdl.data.pictures import SUFFIXES, open_picture
from jaxdl.errors import UserError
from jaxdl.report import images
from jaxdl.report.saliency import saliency
from jaxdl.run.answers import best
from jaxdl.run.classifier import MOST_PIXELS as PIXELS_AT_ONCE
from jaxdl.run.classifier import Classifier
from jaxdl.run.finished_run import FinishedRun

MOST_BYTES = 10_000_000  # of an upload
MOST_PIXELS = 50_000_000
PATIENCE = 30  # seconds for the next byte of a request
COPIES = 32  # at most, of a picture, over which its saliency is averaged
PAGE = Path(__file__).parent


class Demo:
    """A WSGI application for one run: the page, and what the network makes of a picture that is posted to it.

    ``POST /predict`` answers with the ``top`` most probable classes and the picture as the network reads it, ``POST
    /saliency?class=N`` with a map of the pixels that class N depends on; mistakes with a status of 4xx and {"error"}.
    One picture is decoded and predicted at a time. hosts: what the page may be called, ``name:port``.
    """

    def __init__(self, run: FinishedRun, *, top: int, hosts: tuple[str, ...]):
        self._classifier, self._top, self._hosts = Classifier(run), top, hosts
        self._one_at_a_time = threading.Lock()
        self._page, self._policy = _page(run)
        height, width, _ = run.image
        copies = max(1, min(COPIES, PIXELS_AT_ONCE // (height * width)))
        self._saliency = jax.jit(partial(saliency, run.model, copies=copies))
        nothing = np.zeros((1, *run.image), np.uint8)  # compiles both
        self._classifier.logits(nothing)
        self._map(nothing, 0)

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
        routes = {"/": ("GET", None), "/predict": ("POST", self._predicted), "/saliency": ("POST", self._explained)}
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
            picture = open_picture(content, self._classifier.run.framing, most_pixels=MOST_PIXELS)[None]
            return _json(answer(request, picture))

    def _predicted(self, request: Request, picture: np.ndarray) -> dict:
        run = self._classifier.run
        [found] = best(self._classifier.logits(picture), range(len(run.classes)), self._top)
        return {
            "predictions": [
                {"index": index, "class": run.classes[index], "probability": probability}
                for index, probability in found
            ],
            "picture": images.png(picture[0]),
        }

    def _explained(self, request: Request, picture: np.ndarray) -> dict:
        index = request.args.get("class", type=int)
        if index is None or not 0 <= index < len(self._classifier.run.classes):
            raise BadRequest("class must be the number of a class.")
        return {"map": images.png(colormaps["inferno"](self._map(picture, index), bytes=True)[..., :3])}

    def _map(self, picture: np.ndarray, index: int) -> np.ndarray:
        run = self._classifier.run
        prepared = augment.normalize(picture, run.mean, run.std)
        return np.asarray(self._saliency(run.variables, prepared, np.array([index]), key=jax.random.key(0))[0])


def serve(demo: Demo, place: socket.socket) -> None:
    """Answers whoever asks at ``place``, which listens, until an exception ends it."""
    host, port = place.getsockname()
    make_server(host, port, demo, threaded=True, request_handler=_Handler, fd=place.fileno()).serve_forever()


class _Handler(WSGIRequestHandler):
    timeout = PATIENCE

    def log(self, *_) -> None:
        """Nothing: a page that works has nothing to report."""


def _page(run: FinishedRun) -> tuple[str, str]:
    """The page, and the policy by which a browser runs what is in it and nothing else."""
    style, script = (PAGE.joinpath(name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
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
        model=run.config.model,
        updates=run.told_updates,
        source=run.record["dataset_source"],
        notice=run.record["notice"],
        classes=run.classes,
        size=run.image[0],
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
