// What one does on the page: asking, stopping, attaching, looking around.

import { Answer, brief } from "./answer.js";
import { draw } from "./markdown.js";
import { byId, fail, follow, fresh, toTheEnd, transcript } from "./page.js";
import { events } from "./sse.js";

const composer = byId("composer");
const text = byId("text");
const image = byId("image");

// ---- asking ---------------------------------------------------------------------------------------------------------

let abort = null; // of the answer under way
let lost = []; // of an answer that has failed, what is not kept

async function ask(address, body, asked = null) {
  fail("");
  byId("told").textContent = "The answer is being written.";
  abort = new AbortController();
  busy(true);
  const answer = new Answer();
  toTheEnd();
  try {
    const response = await fetch(address, { method: "POST", body, signal: abort.signal });
    answer.taken = response.headers.has("Content-Location");
    settle(response.headers.get("Content-Location"));
    if (!response.ok || !response.body) {
      await refused(response);
      return;
    }
    for await (const { event, data } of events(response.body)) answer.take(event, JSON.parse(data));
    if (!answer.complete && byId("failure").hidden) fail("The answer was cut off. Please try again.", true);
  } catch (error) {
    if (error.name === "AbortError") stopped(answer);
    else fail("The connection was lost.", answer.taken);
  } finally {
    answer.close();
    if (!byId("failure").hidden) {
      lost = answer.unkept();
      for (const part of lost) part.classList.add("lost");
      if (asked && !answer.taken) giveBack(asked);
    }
    // All of it at once: read out while it is written, nobody could follow.
    byId("told").textContent = byId("failure").hidden ? answer.said.innerText : "";
    abort = null;
    busy(false);
    follow();
  }
}

/** Nothing that was typed is lost where the server has not taken it. */
function giveBack({ turn, words, files }) {
  turn.remove();
  if (text.value || image.files.length) return; // there is something new already
  text.value = words;
  image.files = files;
  byId("attached").hidden = !files.length;
}

function stopped(answer) {
  if (answer.said.querySelector(".text")) answer.note("Stopped.");
  else fail("Stopped before anything was said.", answer.taken);
}

async function refused(response) {
  const data = await response.json().catch(() => null);
  if (response.status === 409) return location.reload(); // it was answered meanwhile
  // What has an address was taken, and waits for its answer.
  const again = response.headers.has("Content-Location");
  fail(data?.message ?? `The server answered with status ${response.status}.`, again);
}

/** A conversation has an address from its first answer on. */
function settle(address) {
  if (!address || address === location.pathname) return;
  history.replaceState(null, "", address);
  composer.action = `${address}say/`;
  const title = transcript.querySelector(".user .text")?.textContent.trim() || "A picture";
  document.title = byId("title").textContent = title;
  const entry = fresh("entry");
  entry.querySelector("a").href = address;
  entry.querySelector("a").textContent = title;
  entry.querySelector("form").action = `${address}forget/`;
  byId("conversations").prepend(entry);
}

function busy(is) {
  byId("send").hidden = is;
  byId("stop").hidden = !is;
  transcript.ariaBusy = String(is);
  if (!is) text.focus({ preventScroll: true });
  ready();
}

byId("stop").addEventListener("click", () => abort?.abort());
byId("again").addEventListener("click", () => {
  if (abort) return;
  const body = new FormData();
  body.set("csrfmiddlewaretoken", composer.elements.csrfmiddlewaretoken.value);
  for (const part of lost) part.remove();
  ask(composer.action.replace(/say\/$/, "again/"), body);
});

composer.addEventListener("submit", (event) => {
  event.preventDefault();
  if (abort || (!text.value.trim() && !image.files.length)) return;
  const body = new FormData(composer);
  if (!image.files.length) body.delete("image");
  byId("welcome").hidden = true;
  const turn = fresh("turn-user");
  const said = turn.querySelector(".said");
  if (image.files.length) {
    const shown = fresh("part-image");
    shown.src = byId("preview").src;
    said.append(shown);
  }
  if (text.value.trim()) {
    const words = fresh("part-text");
    words.textContent = text.value.trim();
    said.append(words);
  }
  transcript.append(turn);
  const asked = { turn, words: text.value, files: image.files };
  text.value = "";
  image.files = new DataTransfer().files;
  byId("attached").hidden = true;
  ask(composer.action, body, asked);
});

text.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  composer.requestSubmit();
});

function ready() {
  byId("send").disabled = !text.value.trim() && !image.files.length;
}
text.addEventListener("input", () => {
  ready();
  if (CSS.supports("field-sizing", "content")) return;
  text.style.height = "auto";
  text.style.height = `${text.scrollHeight}px`;
});

// ---- a picture ------------------------------------------------------------------------------------------------------

function attached() {
  const [file] = image.files;
  byId("attached").hidden = !file;
  if (file) {
    const most = Number(composer.dataset.imageBytes);
    if (file.size > most) {
      image.value = "";
      byId("attached").hidden = true;
      fail(`The picture is too large: up to ${Math.floor(most / 1024 / 1024)} MB can be sent.`);
    } else {
      fail("");
      byId("preview").src = URL.createObjectURL(file); // stays, as the transcript shows it, too
      byId("attached-name").textContent = file.name;
    }
  }
  ready();
  text.focus();
}
image.addEventListener("change", attached);
byId("detach").addEventListener("click", () => {
  image.value = "";
  attached();
});
const box = composer.querySelector(".box");
for (const name of ["dragover", "dragleave", "drop"]) {
  composer.addEventListener(name, (event) => {
    if (!event.dataTransfer.types.includes("Files")) return; // words are for the browser
    event.preventDefault();
    box.classList.toggle("over", name === "dragover");
    if (name === "drop" && event.dataTransfer.files.length) take(event.dataTransfer.files);
  });
}
text.addEventListener("paste", (event) => {
  // Who copies from a document pastes its words, and not the picture of them that comes along.
  if (!event.clipboardData.files.length || event.clipboardData.getData("text/plain")) return;
  event.preventDefault();
  take(event.clipboardData.files);
});
function take(files) {
  const one = new DataTransfer();
  one.items.add(files[0]);
  image.files = one.files;
  attached();
}

// ---- the rest of the page -------------------------------------------------------------------------------------------

for (const button of document.querySelectorAll("[data-say]")) {
  button.addEventListener("click", () => {
    text.value = button.dataset.say;
    composer.requestSubmit();
  });
}
document.querySelector("[data-attach]").addEventListener("click", () => {
  text.value ||= "What is in this picture?";
  image.click();
});

byId("conversations").addEventListener("submit", (event) => {
  if (!confirm("Delete this conversation for good?")) event.preventDefault();
});

const sidebar = byId("sidebar");
function show(open) {
  if (sidebar.classList.contains("open") === open) return;
  sidebar.classList.toggle("open", open);
  byId("veil").hidden = !open;
  byId("open-sidebar").setAttribute("aria-expanded", String(open));
  byId(open ? "close-sidebar" : "open-sidebar").focus();
}
byId("open-sidebar").addEventListener("click", () => show(true));
byId("close-sidebar").addEventListener("click", () => show(false));
byId("veil").addEventListener("click", () => show(false));
document.addEventListener("keydown", (event) => event.key === "Escape" && show(false));

for (const words of transcript.querySelectorAll(".assistant [data-markdown]")) draw(words, words.textContent);
for (const card of transcript.querySelectorAll(".call")) brief(card);
toTheEnd();
ready();
