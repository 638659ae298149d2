"""matplotlib's figures as SVG that belongs to a page: its text is text, its colours are the page's own."""

import hashlib
import io
from xml.etree import ElementTree

SERIES = 8  # colours that tell lines apart: --series-0 and on, as style.css sets them
INK, MUTED, RULE = "#0f0d00", "#0f0d01", "#0f0d02"  # stand for the page's colours until the SVG is written
COLOURS = {INK: "ink", MUTED: "muted", RULE: "rule", **{f"#0f0e{k:02x}": f"series-{k}" for k in range(SERIES)}}
SVG, XLINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}"
DROPPED = (f"{SVG}metadata", f"{SVG}title")


def series_colour(style: int) -> str:
    """The stand-in for the colour of the line of that number."""
    return f"#0f0e{style % SERIES:02x}"


def svg(figure, *, label: str) -> str:
    """An ``<svg>`` element for inside a page, from a ``matplotlib.figure.Figure`` drawn in the stand-ins above.

    label: what the picture shows, for those who do not see it. The same figure gives the same bytes; no two figures
    share an id.
    """
    import matplotlib

    file = io.BytesIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "jaxdl"}):
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    prefix = f"f{hashlib.sha256(label.encode() + file.getvalue()).hexdigest()[:10]}-"
    root = ElementTree.fromstring(file.getvalue())
    used = {value.lstrip("#") for node in root.iter() for value in [node.get(f"{XLINK}href")] if value}
    used |= {value[5:-1] for node in root.iter() for value in [node.get("clip-path")] if value}
    _clean(root, prefix, used)
    _, _, width, height = root.get("viewBox").split()
    root.attrib.clear()
    root.attrib.update({"viewBox": f"0 0 {width} {height}", "role": "img", "aria-label": label})
    for node in root.iter():
        node.tag = node.tag.removeprefix(SVG)
    return ElementTree.tostring(root, encoding="unicode", short_empty_elements=False)


def _clean(parent: ElementTree.Element, prefix: str, used: set[str]) -> None:
    """Drops what a page does not need, makes the ids the figure's own, and gives colours their names."""
    for node in list(parent):
        if node.tag in DROPPED:
            parent.remove(node)
            continue
        name = node.attrib.pop("id", None)
        if name in used:
            node.set("id", prefix + name)
        link, clip = node.attrib.pop(f"{XLINK}href", None), node.get("clip-path")
        if link:
            node.set("href", f"#{prefix}{link[1:]}")
        if clip:
            node.set("clip-path", f"url(#{prefix}{clip[5:-1]})")
        style = node.get("style")
        if style:
            node.set("style", _style(style))
        _clean(node, prefix, used)


def _style(style: str) -> str:
    """Colours by name; of fonts the size alone, so that the page says which."""
    for stand_in, name in COLOURS.items():
        style = style.replace(stand_in, f"var(--{name})")
    kept = []
    for part in style.split(";"):
        name, _, value = part.strip().partition(":")
        if name == "font":
            size = next(word for word in value.split() if word.endswith("px"))
            kept.append(f"font-size: {size}")
        elif name and name != "font-family":
            kept.append(part.strip())
    return "; ".join(kept)
