
// Shows the answer to a file, and returns it in words.
function draw(file, said) {
  const first = said.predictions[0];
  by("seen").alt = `${file.name} as the network reads it`;
  by("bars").replaceChildren(...said.predictions.map((each, place) => row(file, each, place === 0)));
  explain(file, first);
  return `${first.class}, ${percent(first.probability)}`;
}

function row(file, each, checked) {
  const label = document.createElement("label");
  label.className = "row";
  const input = document.createElement("input");
  Object.assign(input, { type: "radio", name: "class", checked });
  input.addEventListener("change", () => explain(file, each));
  const track = part("track", "");
  track.append(part("", ""));
  track.firstChild.style.width = `${100 * each.probability}%`;
  label.append(input, part("name", each.class), part("share", percent(each.probability)), track);
  return label;
}

async function explain(file, each) {
  const mine = ++asked;
  by("map").classList.add("waiting");
  try {
    const said = await ask(`/saliency?class=${each.index}`, file);
    if (mine !== asked) return;
    by("map").src = said.map;
    by("map").alt = `Map of the pixels that the score of ${each.class} depends on`;
    by("mapped").textContent = each.class;
    by("map").classList.remove("waiting");
  } catch (error) {
    if (mine === asked) complain(`${file.name}: ${error.message}`);
  }
}
