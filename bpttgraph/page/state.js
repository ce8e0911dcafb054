// The state of the page, and how it is shown. The only arithmetic here is the running sum of the terms.
const book = JSON.parse(document.getElementById("data").textContent);
const ids = Object.keys(book.factors);
book.terms.forEach((x) => { x.l = x.l.map((i) => ids[i]); });
// n: the frame; t, k: what is chosen; at: the last place walked in `walk`, -1 before the start; mode: how factors are written.
const state = { n: 0, frame: null, terms: [], t: 1, k: 1, at: -1, fold: false, mode: "symbol", column: 0 };
let walk = []; // [term, factor], in the order of the backward pass
function $(id) { return document.getElementById(id); }
function $$(selector) { return [...document.querySelectorAll(selector)]; }
function on(id, what, type) { $(id).addEventListener(type || "click", what); }
function make(tag, cls, text) {
  const e = document.createElement(tag);
  if (cls) e.className = cls;
  if (text !== undefined) e.textContent = text;
  return e;
}
function short(v) { return minus(v === 0 ? "0" : Math.abs(v) < 1e-3 || Math.abs(v) >= 1e4 ? v.toExponential(1) : v.toPrecision(3)); }
function minus(text) { return text.replace(/-/g, "−"); }
function norm(v) { return Math.sqrt(v.reduce((s, x) => s + x * x, 0)); }
function fact(id) { return state.frame.own[id] || book.factors[id]; }
function variable(name) { return state.frame.values[name] || book.variables[name]; }
function chosen() { return state.terms.reduce((found, x, i) => (x.t === state.t && x.k === state.k ? found.concat(i) : found), []); }

/** Open the frame of index n. */
function open(n) {
  state.n = n;
  state.frame = book.frames[n];
  state.terms = state.frame.terms.map((i) => book.terms[i]);
  state.at = -1;
  walk = [];
  state.terms.forEach((term, i) => term.l.forEach((_, j) => walk.push([i, j])));
  $("notes").textContent = state.frame.notes;
  $("count").textContent = "= the sum of " + many(state.terms.length, "term");
  $("T").value = n;
  $("T-out").textContent = state.frame.T;
  $("t").max = Math.max(...state.terms.map((x) => x.t));
  $("k").max = Math.max(...state.terms.map((x) => x.k));
  $("t").min = Math.min(...state.terms.map((x) => x.t));
  $("k").min = Math.min(...state.terms.map((x) => x.k));
  $("fold").disabled = $$('.frame[data-frame="' + n + '"]').length < 2;
  wire();
  listTerms();
  triangle();
}

/** Choose a (t, k): put into range, told to the address. */
function choose(t, k) {
  $("t").value = t;
  $("k").value = k;
  state.t = Number($("t").value);
  state.k = Number($("k").value);
  $("t-out").textContent = state.t;
  $("k-out").textContent = kname(state.k);
  $("k").setAttribute("aria-valuetext", kname(state.k));
  $("T").setAttribute("aria-valuetext", String(state.frame.T));
  $$("#triangle button").forEach((b) => b.setAttribute("aria-pressed", b.dataset.key === state.t + "," + state.k));
  openGroups();
}
let telling = 0;
function tell() {
  clearTimeout(telling);
  const more = (state.at >= 0 ? "&n=" + (state.at + 1) : "") + (state.fold ? "&fold=1" : "");
  history.replaceState(null, "", "#T=" + state.frame.T + "&t=" + state.t + "&k=" + state.k + more);
}
function refresh() {
  clearTimeout(telling);
  telling = setTimeout(tell, 150); // browsers refuse hundreds of addresses from a key that is held down
  mark();
  rest();
  sums();
  say();
  if ($("inside").open) values(state.column || column());
  const seen = state.at >= 0 ? lists.items[walk[state.at][0]] : lists.groups[state.t + "," + state.k];
  if (seen) within_view(seen);
}
/** Scroll the list, never the page. */
function within_view(e) {
  const home = $("terms"), a = e.getBoundingClientRect(), b = home.getBoundingClientRect();
  if (a.top < b.top) home.scrollTop += a.top - b.top;
  else if (a.bottom > b.bottom) home.scrollTop += Math.min(a.bottom - b.bottom, a.top - b.top);
}
function column() {
  const own = chosen()[0], link = own === undefined ? "" : state.terms[own].l[state.terms[own].l.length - 1];
  const v = variable(link.split("->").pop());
  return v ? v.step : 1;
}
function go(t, k) {
  state.at = -1;
  choose(t, k);
  refresh();
}
function step(to) {
  state.at = Math.max(-1, Math.min(walk.length - 1, to));
  if (state.at >= 0) { const term = state.terms[walk[state.at][0]]; choose(term.t, term.k); }
  refresh();
}
function say() {
  let text;
  if (state.at >= 0) {
    const [i, j] = walk[state.at], term = state.terms[i], f = fact(term.l[j]);
    text = "t = " + term.t + ", k = " + kname(term.k) + ", factor " + (j + 1) + " of " + term.l.length + ": " + f.s + (f.j === f.s ? "" : " = " + f.j);
    if (j === term.l.length - 1) text += ". The term is complete and is added at " + book.name + ".";
    else if (term.q) text += "; the product so far has norm " + short(norm(term.q[j]));
    if (state.at === walk.length - 1) text += " " + $("sum").textContent.split(/(?=[✓✗])/).slice(1).join("");
  } else {
    const cell = state.frame.cells[state.t + "," + state.k], n = chosen().length;
    text = n ? "t = " + state.t + ", k = " + kname(state.k) + ": " + many(n, "term") : "No path leads from the loss at step " + state.t + " to the use at step " + kname(state.k) + ".";
    if (cell) text += ", norm " + short(cell.n) + ("ok" in cell ? "; the complex step measures " + short(norm(cell.c)) + (cell.ok ? " ✓" : " ✗ they differ") : "");
  }
  $("say").textContent = text;
}
