// An answer while it arrives: what the server sends is put into copies of its own templates.

import { draw } from "./markdown.js";
import { fail, follow, fresh, transcript } from "./page.js";

/** Shows the events of one answer. */
export class Answer {
  constructor() {
    this.turn = fresh("turn-assistant");
    this.said = this.turn.querySelector(".said");
    this.waiting = document.createElement("div");
    this.waiting.className = "waiting";
    this.waiting.append(...[1, 2, 3].map(() => document.createElement("i")));
    this.said.append(this.waiting);
    this.calls = new Map();
    this.kept = 0; // parts that are kept, though what comes after them fails
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
    if (!this.calls.size) this.kept = this.said.childElementCount - 1; // all but the dots
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

  /** What is asked for again after an error: all that came since the last round of tools. */
  unkept() {
    return this.kept ? [...this.said.children].slice(this.kept) : [this.turn];
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
export function brief(card) {
  const shown = card.querySelector(".arguments").textContent;
  try {
    const values = Object.entries(JSON.parse(shown)).map(([name, value]) => `${name}: ${JSON.stringify(value)}`);
    card.querySelector(".brief").textContent = values.join(", ").slice(0, 200);
  } catch {
    card.querySelector(".brief").textContent = shown.slice(0, 200);
  }
}
