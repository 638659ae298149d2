
// Shows the answer to a file, and returns it in words.
function draw(file, said) {
  by("seen").alt = file.name;
  const layers = said.areas.map((each) => {
    const layer = document.createElement("img");
    layer.src = each.layer;
    layer.alt = "";
    return layer;
  });
  by("layers").replaceChildren(...layers);
  by("areas").replaceChildren(...said.areas.map((each, place) => area(each, layers[place])));
  return said.areas.map((each) => `${each.class} ${percent(each.share)}`).join(", ");
}

function area(each, layer) {
  const label = document.createElement("label");
  label.className = "row";
  const input = document.createElement("input");
  Object.assign(input, { type: "checkbox", checked: true });
  input.addEventListener("change", () => (layer.hidden = !input.checked));
  const track = part("track", "");
  track.append(part("", ""));
  track.firstChild.style.width = `${100 * each.share}%`;
  track.firstChild.style.background = each.color;
  label.append(input, part("name", each.class), part("share", percent(each.share)), track);
  return label;
}

function fade() {
  by("layers").style.opacity = by("opacity").value / 100;
}

by("opacity").addEventListener("input", fade);
fade();
