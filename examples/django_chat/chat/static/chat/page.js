// The parts of the page that every script needs.

export const byId = (id) => document.getElementById(id);
export const transcript = byId("transcript");
const scroller = byId("scroller");

/** A copy of one of the page's templates. */
export function fresh(id) {
  return byId(id).content.firstElementChild.cloneNode(true);
}

/** Shows what went wrong; nothing where that is "". */
export function fail(words, again = false) {
  byId("failure").hidden = !words;
  byId("failure-text").textContent = words;
  byId("again").hidden = !again;
}

const NEAR = 80; // pixels from the end within which the reader wants to see what comes
let following = true;
scroller.addEventListener("scroll", () => {
  following = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR;
});

/** Keeps the end in sight of who was there. */
export function follow() {
  if (following) scroller.scrollTop = scroller.scrollHeight;
}

/** Goes there. */
export function toTheEnd() {
  following = true;
  follow();
}
