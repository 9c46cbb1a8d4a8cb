// The page while an answer arrives: what the server sends is put into copies of its own templates.

import { draw } from "./markdown.js";
import { events } from "./sse.js";

const byId = (id) => document.getElementById(id);
const composer = byId("composer");
const text = byId("text");
const image = byId("image");
const scroller = byId("scroller");
const transcript = byId("transcript");

/** A copy of one of the page's templates. */
function fresh(id) {
  return byId(id).content.firstElementChild.cloneNode(true);
}

// ---- following the end ----------------------------------------------------------------------------------------------

const NEAR = 80; // pixels from the end within which the reader wants to see what comes
let following = true;
scroller.addEventListener("scroll", () => {
  following = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR;
});
function follow() {
  if (following) scroller.scrollTop = scroller.scrollHeight;
}

// ---- an answer ------------------------------------------------------------------------------------------------------

/** Shows the events of one answer. */
class Answer {
  constructor() {
    this.turn = fresh("turn-assistant");
    this.said = this.turn.querySelector(".said");
    this.waiting = document.createElement("div");
    this.waiting.className = "waiting";
    this.waiting.append(...[1, 2, 3].map(() => document.createElement("i")));
    this.said.append(this.waiting);
    this.calls = new Map();
    this.taken = false; // the question stands in the history
    this.complete = false;
    transcript.append(this.turn);
    this.words = null;
    this.drawing = 0;
    this.pause = 30; // milliseconds between two drawings
  }

  take(event, data) {
    this[event]?.(data); // others are for pages that show more
    follow();
  }

  /** Appends a part where the dots are, which show that more comes. */
  part(kind) {
    const made = fresh(`part-${kind}`);
    this.waiting.before(made);
    return made;
  }

  text_delta(data) {
    this.rest();
    this.words ??= { element: this.part("text"), text: "" };
    this.words.text += data.text;
    this.waiting.hidden = true;
    this.drawing ||= setTimeout(() => this.flush(), this.pause);
  }

  /** Draws the words that have come, however many events there are; a text that takes long to draw more seldom. */
  flush() {
    clearTimeout(this.drawing);
    this.drawing = 0;
    if (!this.words) return;
    const begun = performance.now();
    draw(this.words.element, this.words.text);
    follow();
    this.pause = Math.max(30, 4 * (performance.now() - begun));
  }

  text() {
    this.between();
  }

  thinking_delta(data) {
    if (!this.thoughts) {
      this.thoughts = this.part("thinking");
      this.thoughts.classList.add("live");
      this.thoughts.querySelector(".label").textContent = "Thinking …";
    }
    this.thoughts.querySelector(".thought").append(data.text);
    this.waiting.hidden = true;
  }

  thinking(data) {
    if (!this.thoughts && data.text) this.part("thinking").querySelector(".thought").textContent = data.text;
    this.between();
  }

  tool_call_delta(data) {
    this.rest();
    this.card(data).querySelector(".arguments").append(data.arguments);
    this.waiting.hidden = true;
  }

  tool_call(data) {
    const card = this.card(data);
    card.querySelector(".arguments").textContent = JSON.stringify(data.arguments, null, 2);
    brief(card);
  }

  tool_result(data) {
    const card = this.card({ id: data.call_id, name: data.name });
    const words = data.content.map((part) => part.text ?? `(${part.type})`).join("");
    card.querySelector(".result").textContent = laidOut(words);
    state(card, data.is_error ? "failed" : "done");
    this.calls.delete(data.call_id); // some hosts use ids again in the next round
    this.between();
  }

  refusal(data) {
    this.rest();
    this.part("refusal").textContent = data.text;
  }

  finish_reason(data) {
    if (data.reason === "length") this.note("The answer was cut off, as it has become too long.");
    if (data.reason === "content_filter") this.note("The answer was cut off by a filter of the provider.");
  }

  error(data) {
    fail(data.message, true);
  }

  end(data) {
    this.complete = data.complete;
  }

  card(data) {
    if (!this.calls.has(data.id)) {
      const made = this.part("call");
      made.querySelector(".name").textContent = data.name;
      state(made, "running");
      this.calls.set(data.id, made);
    }
    return this.calls.get(data.id);
  }

  note(words) {
    const made = document.createElement("p");
    made.className = "note";
    made.textContent = words;
    this.waiting.before(made);
  }

  /** Thoughts or words are whole: what comes next stands by itself. */
  rest() {
    if (!this.thoughts) return;
    this.thoughts.classList.remove("live");
    this.thoughts.querySelector(".label").textContent = "Thoughts";
    this.thoughts = null;
  }

  between() {
    this.rest();
    this.flush();
    this.words = null;
    this.waiting.hidden = false;
  }

  /** Nothing comes any more, whyever. */
  close() {
    this.between();
    this.waiting.remove();
    for (const card of this.said.querySelectorAll(".call.running")) state(card, "unended");
    if (!this.said.querySelector(":scope > :not(.sr)")) this.turn.remove();
  }
}

const STATES = { running: "running …", done: "done", failed: "failed", unended: "stopped" };
function state(card, name) {
  card.classList.remove(...Object.keys(STATES));
  card.classList.add(name);
  card.querySelector(".state").textContent = STATES[name];
}

function laidOut(words) {
  try {
    return JSON.stringify(JSON.parse(words), null, 2);
  } catch {
    return words;
  }
}

/** The arguments in one line, beside the tool's name. */
function brief(card) {
  const shown = card.querySelector(".arguments").textContent;
  try {
    const values = Object.entries(JSON.parse(shown)).map(([name, value]) => `${name}: ${JSON.stringify(value)}`);
    card.querySelector(".brief").textContent = values.join(", ").slice(0, 200);
  } catch {
    card.querySelector(".brief").textContent = shown.slice(0, 200);
  }
}

// ---- asking ---------------------------------------------------------------------------------------------------------

let abort = null; // of the answer under way
let lost = null; // an answer that has failed, and is not kept

async function ask(address, body, asked = null) {
  fail("");
  byId("told").textContent = "The answer is being written.";
  abort = new AbortController();
  busy(true);
  const answer = new Answer();
  following = true;
  follow();
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
      answer.turn.classList.add("lost");
      lost = answer.turn;
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

/** Shows what went wrong; nothing where that is "". */
function fail(words, again = false) {
  byId("failure").hidden = !words;
  byId("failure-text").textContent = words;
  byId("again").hidden = !again;
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
  lost?.remove();
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
scroller.scrollTop = scroller.scrollHeight;
ready();
