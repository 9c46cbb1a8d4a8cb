// Markdown of a model as elements. Nothing of the text is ever read as HTML: elements are made here, and text is put
// into them as text. Links lead to http, https and mailto alone; pictures are shown as links. No pattern takes more
// than linear time on a line, and none that takes quadratic time is tried on more than `LONGEST` characters.

const FENCE = /^ {0,3}(```+|~~~+)\s*([\w+#.-]*)/;
const HEADING = /^ {0,3}(#{1,6})[ \t]+([^]*)$/;
const RULE = /^ {0,3}([-*_])(?:\s*\1){2,}\s*$/;
const ITEM = /^(\s*)([-*+]|\d{1,9}[.)])[ \t]+([^]*)$/;
const QUOTE = /^ {0,3}>\s?/;
const LONGEST = 10_000; // of what emphasis and links are looked for in: what is longer is shown as it is written

/** Shows `text` in `container`. While it grows only its last block is made anew, so that a selection above it stays. */
export function draw(container, text) {
  if (!container.classList.contains("drawn")) container.replaceChildren(); // the text as the server wrote it
  container.classList.add("drawn");
  fill(container, text, 0);
}

const DEEPEST = 20; // quotes in quotes, lists in lists: below that, text is text

function fill(container, text, depth) {
  const blocks = split(text);
  const before = [...container.children];
  for (const surplus of before.splice(blocks.length)) surplus.remove();
  blocks.forEach((lines, index) => {
    const source = lines.join("\n");
    const there = before[index];
    if (there?.source === source) return;
    const made = block(lines, depth);
    made.source = source;
    if (there) there.replaceWith(made);
    else container.append(made);
  });
}

function element(name, ...children) {
  const made = document.createElement(name);
  made.append(...children);
  return made;
}

/** The lines of each block. */
function split(text) {
  const blocks = [];
  let current = [];
  let fence = null;
  const end = () => {
    if (current.length) blocks.push(current);
    current = [];
  };
  for (const line of text.replace(/\r\n?/g, "\n").split("\n")) {
    const opening = FENCE.exec(line);
    if (fence) {
      current.push(line);
      if (line.trim().startsWith(fence) && !line.trim().replace(/[`~]/g, "")) {
        fence = null;
        end();
      }
    } else if (opening && !(inList(current) && /^ {2,}/.test(line))) {
      end();
      fence = opening[1];
      current = [line];
    } else if (!line.trim()) {
      if (inList(current)) current.push("");
      else end();
    } else if (HEADING.test(line) || RULE.test(line)) {
      end();
      blocks.push([line]);
    } else if (belongs(current, line)) {
      current.push(line);
    } else {
      end();
      current = [line];
    }
  }
  end();
  return blocks.map(trimmed);
}

function inList(lines) {
  return lines.length > 0 && ITEM.test(lines[0]);
}

function belongs(lines, line) {
  if (!lines.length) return true;
  if (inList(lines)) return lines[lines.length - 1] !== "" || ITEM.test(line) || /^\s{2,}/.test(line);
  return QUOTE.test(lines[0]) === QUOTE.test(line) && !ITEM.test(line);
}

function trimmed(lines) {
  const found = [...lines];
  while (found.length && !found[found.length - 1].trim()) found.pop();
  return found;
}

function block(lines, depth) {
  const [first] = lines;
  if (depth > DEEPEST) return verbatim(lines);
  if (FENCE.test(first)) return code(lines);
  const heading = HEADING.exec(first);
  if (heading) return element(`h${Math.min(4, heading[1].length)}`, ...inline(title(heading[2])));
  if (RULE.test(first)) return element("hr");
  if (ITEM.test(first)) return list(lines, depth);
  if (QUOTE.test(first)) return quote(lines, depth);
  if (lines.length > 1 && first.includes("|") && isRule(lines[1])) return table(lines);
  return lines.join("\n").length > LONGEST ? verbatim(lines) : element("p", ...inline(lines.join("\n")));
}

function verbatim(lines) {
  const made = element("p", lines.join("\n"));
  made.className = "verbatim";
  return made;
}

/** A heading without the number signs that may close it. */
function title(text) {
  return text.trim().replace(/(^|[ \t])#+$/, "").trim();
}

function quote(lines, depth) {
  const made = element("blockquote");
  fill(made, lines.map((line) => line.replace(QUOTE, "")).join("\n"), depth + 1);
  return made;
}

function code(lines) {
  const language = FENCE.exec(lines[0])[2];
  const closed = lines.length > 1 && FENCE.test(lines[lines.length - 1]);
  const text = lines.slice(1, closed ? -1 : undefined).join("\n");
  const copy = element("button", "Copy");
  copy.type = "button";
  copy.hidden = !navigator.clipboard; // which is there for sites with TLS, and on one's own machine
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(text);
    copy.textContent = "Copied";
    setTimeout(() => (copy.textContent = "Copy"), 1500);
  });
  const made = element("figure", element("figcaption", element("span", language || "text"), copy));
  made.append(element("pre", element("code", text)));
  made.className = "code";
  return made;
}

function list(lines, depth) {
  const ordered = /\d/.test(ITEM.exec(lines[0])[2]);
  const made = element(ordered ? "ol" : "ul");
  if (ordered) made.start = parseInt(ITEM.exec(lines[0])[2], 10);
  const indent = ITEM.exec(lines[0])[1].length;
  const items = [];
  for (const line of lines) {
    const item = ITEM.exec(line);
    if (item && item[1].length <= indent + 1) items.push([item[3]]);
    else items[items.length - 1].push(line.slice(Math.min(indent + 3, line.search(/\S|$/))));
  }
  for (const item of items) {
    const entry = element("li");
    fill(entry, item.join("\n"), depth + 1);
    const [only] = entry.children;
    if (only?.tagName === "P") only.replaceWith(...only.childNodes); // no gaps between short items
    made.append(entry);
  }
  return made;
}

function cells(line) {
  return line.trim().replace(/^\||\|$/g, "").split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|"));
}

function isRule(line) {
  return cells(line).every((cell) => /^:?-+:?$/.test(cell));
}

function table(lines) {
  const sides = cells(lines[1]).map((cell) => (/^:-+:$/.test(cell) ? "centre" : /-:$/.test(cell) ? "right" : ""));
  const row = (line, name) =>
    element("tr", ...cells(line).slice(0, sides.length).map((cell, index) => {
      const made = element(name, ...inline(cell));
      if (sides[index]) made.className = sides[index];
      return made;
    }));
  const body = element("tbody");
  for (const line of lines.slice(2)) body.append(row(line, "td"));
  const made = element("div", element("table", element("thead", row(lines[0], "th")), body));
  made.className = "table";
  return made;
}

const INLINE = [
  [/^(`+)(?!`)([^]*?[^`])\1(?!`)/, (found) => element("code", found[2].replace(/^ (.*) $/, "$1"))],
  [/^!?\[((?:[^[\]\\]|\\.)*)\]\(<?([^\s)>]+)>?(?:\s+"[^"]*")?\)/, (found) => link(found[1], found[2])],
  [/^<(https?:\/\/[^\s>]+)>/, (found) => link(found[1], found[1])],
  [/^https?:\/\/[^\s<>()]*[^\s<>().,;:!?"']/, (found) => link(found[0], found[0])],
  [/^\*\*(?=\S)([^]*?\S)\*\*/, (found) => element("strong", ...inline(found[1]))],
  [/^__(?=\S)([^]*?\S)__(?!\w)/, (found) => element("strong", ...inline(found[1])), true],
  [/^~~(?=\S)([^]*?\S)~~/, (found) => element("del", ...inline(found[1]))],
  [/^\*(?=[^\s*])([^]*?[^\s*])\*(?!\*)/, (found) => element("em", ...inline(found[1]))],
  [/^_(?=[^\s_])([^]*?[^\s_])_(?!\w)/, (found) => element("em", ...inline(found[1])), true],
  [/^\\([\\`*_{}[\]()#+\-.!|~>])/, (found) => found[1]],
  [/^(?: {2,}|\\)?\n/, () => element("br")],
];
const SPECIAL = /[`![<*_~\\\n]|https?:\/\/| {2,}\n/g;

function inline(text) {
  if (text.length > LONGEST) return [text];
  const nodes = [];
  let plain = "";
  let at = 0;
  while (at < text.length) {
    SPECIAL.lastIndex = at;
    const next = SPECIAL.exec(text)?.index ?? text.length;
    plain += text.slice(at, next);
    at = next;
    if (at >= text.length) break;
    const rest = text.slice(at);
    const inWord = /\w$/.test(plain);
    const [found, make] = match(rest, inWord);
    if (!found) {
      const [mark] = /^(?:`+|[^])/.exec(rest); // a run of backquotes that nothing ends is not looked at piece by piece
      plain += mark;
      at += mark.length;
      continue;
    }
    if (plain) nodes.push(plain);
    plain = "";
    nodes.push(make(found));
    at += found[0].length;
  }
  if (plain) nodes.push(plain);
  return nodes;
}

function match(rest, inWord) {
  for (const [pattern, make, apart] of INLINE) {
    const found = apart && inWord ? null : pattern.exec(rest);
    if (found) return [found, make];
  }
  return [null, null];
}

function link(label, target) {
  if (!/^(https?:\/\/|mailto:)/i.test(target)) return label;
  // A label that looks like an address is one: that which the link leads to.
  const made = element("a", /^\s*(\w+:|\/\/|www\.)|^\s*$/i.test(label) ? target : label);
  made.href = target;
  made.title = target;
  made.target = "_blank";
  made.rel = "noopener noreferrer nofollow";
  return made;
}
