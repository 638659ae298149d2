
let pairs = []; // {object, box, row} of the picture on the page, the surest first

// Shows the answer to a file, and returns it in words.
function draw(file, said) {
  by("seen").alt = file.name;
  pairs = said.objects.map((object) => ({ object, box: boxOf(object), row: rowOf(object) }));
  for (const pair of pairs) {
    for (const part of [pair.box, pair.row.firstChild]) {
      part.addEventListener("pointerenter", () => mark(pair));
      part.addEventListener("pointerleave", () => mark(null));
    }
    pair.row.firstChild.addEventListener("focus", () => mark(pair));
    pair.row.firstChild.addEventListener("blur", () => mark(null));
  }
  by("boxes").replaceChildren(...pairs.map((pair) => pair.box).reverse()); // the surest on top
  by("objects").replaceChildren(...pairs.map((pair) => pair.row));
  return level();
}

function boxOf({ class: name, score, box, color, ink, layer }) {
  const [x1, y1, x2, y2] = box.map((share) => 100 * share);
  const found = part("box", "");
  Object.assign(found.style, { left: `${x1}%`, top: `${y1}%`, width: `${x2 - x1}%`, height: `${y2 - y1}%` });
  found.style.setProperty("--color", color);
  found.style.setProperty("--ink", ink);
  if (layer) {
    const mask = document.createElement("img");
    Object.assign(mask, { src: layer, alt: "" });
    found.append(mask);
  }
  const tag = part("tag", `${name} ${percent(score)}`);
  tag.classList.toggle("far", x1 + x2 > 110);
  found.append(tag);
  return found;
}

function rowOf({ class: name, score, color }) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  Object.assign(button, { type: "button", className: "row" });
  const chip = part("chip", "");
  chip.style.background = color;
  const track = part("track", "");
  track.append(part("", ""));
  Object.assign(track.firstChild.style, { width: `${100 * score}%`, background: color });
  button.append(chip, part("name", name), part("share", percent(score)), track);
  item.append(button);
  return item;
}

function mark(chosen) {
  by("stack").classList.toggle("one", chosen !== null);
  for (const pair of pairs) {
    for (const part of [pair.box, pair.row]) part.classList.toggle("on", pair === chosen);
  }
}

// Hides what is less sure than the slider says, and returns what is left in words.
function level() {
  const least = Number(by("least").value);
  const shown = pairs.filter((pair) => 100 * pair.object.score >= least);
  for (const pair of pairs) pair.box.hidden = pair.row.hidden = !shown.includes(pair);
  by("level").textContent = `${least}%`;
  const counts = new Map();
  for (const { object } of shown) counts.set(object.class, (counts.get(object.class) ?? 0) + 1);
  const words = [...counts].map(([name, count]) => `${count} ${name}`).join(", ");
  const told = words || `nothing with a score of ${least}% or more`;
  by("count").textContent = told[0].toUpperCase() + told.slice(1);
  by("hint").hidden = !shown.length;
  return told;
}

by("least").addEventListener("input", () => level());
