"""Finds elements of a page below WCAG's contrast: 4.5 for text, 3 for lines of figures."""

PRELUDE = """
const canvas = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
const pixel = (colour) => {
  canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
  return [...canvas.getImageData(0, 0, 1, 1).data];
};
const luminance = (rgb) => {
  const [r, g, b] = rgb.slice(0, 3).map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const contrast = (a, b) => {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
};
const behind = (element) => {
  for (; element; element = element.parentElement) {
    const colour = pixel(getComputedStyle(element).backgroundColor);
    if (colour[3] === 255) return colour;
  }
  return [255, 255, 255, 255];
};
"""


def faint_texts(page):
    """(text, contrast) of visible text below 4.5; fails where there is hardly any text to look at."""
    found = page.evaluate(
        "() => {"
        + PRELUDE
        + """
        const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
        const found = [];
        while (walker.nextNode()) {
          const element = walker.currentNode.parentElement, text = walker.currentNode.textContent.trim();
          if (!text || !element.checkVisibility() || element.tagName === "SCRIPT") continue;
          const style = getComputedStyle(element);
          const colour = pixel(element instanceof SVGElement ? style.fill : style.color);
          found.push([text, contrast(colour, behind(element))]);
        }
        return found; }"""
    )
    assert len(found) > 100
    return [(text, contrast) for text, contrast in found if contrast < 4.5]


def faint_lines(page):
    """(name, contrast) of the colours of lines below 3 against the page."""
    found = page.evaluate(
        "() => {"
        + PRELUDE
        + """
        const style = getComputedStyle(document.documentElement);
        return [...Array(8).keys()].map(k => `--series-${k}`).map(
          name => [name, contrast(pixel(style.getPropertyValue(name)), behind(document.documentElement))]); }"""
    )
    return [(name, contrast) for name, contrast in found if contrast < 3]
