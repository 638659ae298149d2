"use strict";
const by = (id) => document.getElementById(id);
const most = Number(document.body.dataset.mostBytes);
let newest = 0; // an answer that another question has followed is dropped
let asked = 0;

async function ask(path, file) {
  let reply;
  try {
    reply = await fetch(path, { method: "POST", body: file, headers: { "Content-Type": "application/octet-stream" } });
  } catch {
    throw new Error("no answer; either the file cannot be read, or the demo no longer runs.");
  }
  const said = await reply.json().catch(() => ({ error: `the demo failed with status ${reply.status}.` }));
  if (!reply.ok) throw new Error(said.error);
  return said;
}

function complain(text) {
  by("alert").textContent = text;
  by("status").textContent = "";
}

function clear() {
  document.body.classList.remove("filled");
  by("result").hidden = true;
}

async function show(files) {
  const mine = ++newest;
  asked++;
  const file = files[0];
  by("alert").textContent = "";
  by("result").classList.add("waiting");
  by("status").textContent = `Looking at ${file.name} …`;
  try {
    if (file.size > most) throw new Error(`the file has more than ${most / 1e6} MB.`);
    const said = await ask("/predict", file);
    if (mine !== newest) return;
    const called = files.length > 1 ? `${file.name} (the first of ${files.length} files)` : file.name;
    document.body.classList.add("filled");
    by("result").hidden = false;
    by("result").classList.remove("waiting");
    by("name").textContent = called;
    by("seen").src = said.picture;
    by("status").textContent = `${called}: ${draw(file, said)}`;
  } catch (error) {
    if (mine !== newest) return;
    clear();
    complain(`${file.name}: ${error.message}`);
  }
}

function part(name, text) {
  const span = document.createElement("span");
  span.className = name;
  span.textContent = text;
  return span;
}

const percent = (share) => `${(100 * share).toFixed(1)}%`;

function take(files, otherwise) {
  if (files.length) show([...files]);
  else complain(otherwise);
}

by("file").addEventListener("change", (event) => {
  if (event.target.files.length) show([...event.target.files]);
  event.target.value = ""; // so that the same file can be chosen again
});
document.addEventListener("paste", (event) => take(event.clipboardData.files, "There is no picture on the clipboard."));
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  by("drop").classList.add("over");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) by("drop").classList.remove("over");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  by("drop").classList.remove("over");
  take(event.dataTransfer.files, "That is no file. Save the picture first, then drop its file.");
});
