"""A page as one HTML file: templates filled in, everything from data escaped, no script but its own allowed to run."""

import base64
import hashlib
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from jaxdl.wording import counted

LONGEST = 60  # characters of a name that are shown


def document(template: str, **contents) -> str:
    """Renders ``templates/<template>`` with ``contents`` as a self-contained page."""
    environment = _environment()
    script = _source("script.js")
    policy = (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
        f"script-src 'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
    )
    page = environment.get_template(template).render(
        **contents, policy=policy, style=Markup(_source("style.css")), script=Markup(script), sections=[]
    )
    return page.encode("utf-8", "replace").decode()  # names of files may hold what is no text


def short(name: object) -> str:
    """A name, shortened in its middle if it is too long to show."""
    text = str(name)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 20]}…{text[-19:]}"


def probability(value: float) -> str:
    """A percentage; "over 99.9%" or "under 0.1%" where rounding would give 100 or 0."""
    if 0.9995 <= value < 1:
        return "over 99.9%"
    return "under 0.1%" if 0 < value < 0.0005 else f"{value:.1%}"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("jaxdl.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.do"],
    )
    environment.filters |= {
        "short": short,
        "probability": probability,
        "percent": "{:.2%}".format,
        "thousands": "{:,}".format,
        "counted": counted,
        "markup": Markup,
    }
    return environment


def _source(name: str) -> str:
    """A template file as it stands."""
    environment = _environment()
    return environment.loader.get_source(environment, name)[0]
