"use strict";

for (const hint of document.querySelectorAll(".scripted")) hint.hidden = false;

// A matrix is a grid: one of its cells can be reached with Tab, the others from there with the arrow keys.
for (const table of document.querySelectorAll("table.matrix")) {
  const readout = document.getElementById(table.dataset.readout);
  const heads = [...table.tHead.rows[0].querySelectorAll("th:not(.total)")];
  const rows = [...table.tBodies[0].rows];
  const grid = rows.map((row) => [...row.querySelectorAll("td:not(.total)")]);
  const place = new Map();
  grid.forEach((cells, row) => cells.forEach((cell, column) => place.set(cell, [row, column])));
  let home = grid[0][0];
  let marked = [];

  const tell = (cell) => {
    const [row, column] = place.get(cell);
    const count = Number(cell.textContent);
    const total = Number(rows[row].querySelector(".total").textContent);
    const [truth, said] = [rows[row].cells[0].textContent, heads[column].textContent];
    const share = total ? `${((100 * count) / total).toFixed(1)}%` : "0.0%";
    const numbers = `${count.toLocaleString("en")} of ${total.toLocaleString("en")}, ${share}`;
    const mixed = "others" in table.dataset && row === grid.length - 1 && row === column;
    const event = mixed ? "right or taken for each other" : row === column ? "recognised" : `taken for ${said}`;
    readout.textContent = `${truth} ${event}: ${numbers}`;
    readout.classList.add("told");
    marked.forEach((each) => each.classList.remove("on"));
    marked = [cell, rows[row].cells[0], heads[column]];
    marked.forEach((each) => each.classList.add("on"));
  };
  const go = (cell) => {
    home.tabIndex = -1;
    home = cell;
    home.tabIndex = 0;
    home.focus();
  };

  table.setAttribute("role", "grid");
  table.parentElement.removeAttribute("tabindex");
  grid.flat().forEach((cell) => (cell.tabIndex = -1));
  home.tabIndex = 0;
  table.addEventListener("pointerover", (event) => {
    const cell = event.target.closest("td");
    if (place.has(cell)) tell(cell);
  });
  table.addEventListener("focusin", (event) => {
    const cell = event.target.closest("td");
    if (!place.has(cell)) return;
    home.tabIndex = -1;
    home = cell;
    home.tabIndex = 0;
    tell(cell);
  });
  table.addEventListener("keydown", (event) => {
    if (!place.has(event.target) || event.altKey || event.metaKey) return;
    const [row, column] = place.get(event.target);
    const last = grid.length - 1;
    const goals = {
      ArrowUp: [row - 1, column],
      ArrowDown: [row + 1, column],
      ArrowLeft: [row, column - 1],
      ArrowRight: [row, column + 1],
      Home: [event.ctrlKey ? 0 : row, 0],
      End: [event.ctrlKey ? last : row, last],
    };
    if (!(event.key in goals)) return;
    event.preventDefault();
    const [down, across] = goals[event.key].map((goal) => Math.min(Math.max(goal, 0), last));
    go(grid[down][across]);
  });
}

// The headers of these tables become buttons that sort: upwards at first, the other way when pressed again.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const key = (row, column) => {
    const cell = row.cells[column];
    if (cell.dataset.value === undefined) return cell.textContent.trim();
    return cell.dataset.value === "" ? Infinity : Number(cell.dataset.value);
  };
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((each) => each.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const keyed = [...body.rows].map((row) => [key(row, column), row]);
      const compare = (a, b) => (typeof a === "string" ? a.localeCompare(b, "en", { numeric: true }) : a - b || 0);
      keyed.sort(([a], [b]) => (down ? compare(b, a) : compare(a, b)));
      body.append(...keyed.map(([, row]) => row));
    });
  });
}

// One slider hides the boxes that are less sure, marks the objects that are missed then, and says what that makes.
for (const slider of document.querySelectorAll(".confidence input")) {
  const section = slider.closest("section");
  const numbers = JSON.parse(slider.dataset.numbers);
  const scored = [...section.querySelectorAll("[data-score]")];
  const objects = [...section.querySelectorAll("[data-reach]")];
  const pictures = [...section.querySelectorAll(".beside > li")];
  const share = (part, whole) => (whole ? ` (${((100 * part) / whole).toFixed(1)}%)` : "");
  const count = (item, boxes) => item.querySelectorAll(`.laid ${boxes}:not([hidden])`).length;
  const update = () => {
    const least = Number(slider.value);
    const [right, wrong] = [numbers.right, numbers.wrong].map((all) => all[Math.round(100 * least)]);
    for (const each of scored) each.hidden = Number(each.dataset.score) < least;
    for (const each of objects) each.classList.toggle("missed", Number(each.dataset.reach) < least);
    for (const each of pictures) {
      const said = ["right", "wrong", "missed"].map((kind) => `${count(each, `.${kind}`)} ${kind}`);
      each.querySelector(".summed").textContent = said.join(", ");
    }
    section.querySelector("output").textContent = `${Math.round(100 * least)}%`;
    section.querySelector("[role=status]").textContent =
      `In all pictures ${right} of ${numbers.objects} objects are found${share(right, numbers.objects)}, ` +
      `and ${right} of ${right + wrong} boxes are right${share(right, right + wrong)}.`;
  };
  slider.addEventListener("input", update);
  update();
}
