// How the state is moved: the address, sliders, buttons, keys, pointing.
/** Read the address: #T=3&t=3&k=2, and n= for the steps walked, fold=1. */
function read() {
  const found = {};
  clearTimeout(telling);
  if (location.hash && location.hash.indexOf("=") < 0) return; // a place on the page, not a view
  location.hash.slice(1).split("&").forEach((part) => { const p = part.split("="); found[p[0]] = parseInt(p[1], 10); });
  const all = book.frames, n = all.findIndex((f) => f.T === found.T);
  state.fold = found.fold === 1 || (!location.hash && all[all.length - 1].T > 8);
  $("fold").setAttribute("aria-pressed", state.fold);
  open(n < 0 ? all.length - 1 : n);
  const last = state.terms[state.terms.length - 1];
  if (found.n) step(found.n - 1);
  else go(found.t || last.t, found.k || $("k").min);
}
function paint(dark) {
  document.documentElement.classList.toggle("dark", dark);
  $("dark").setAttribute("aria-pressed", dark);
}
function setFold(fold) {
  state.fold = fold;
  $("fold").setAttribute("aria-pressed", fold);
  wire();
  refresh();
}

$("T").min = 0;
$("T").max = book.frames.length - 1;
$("T").disabled = book.frames.length === 1;
on("T", function () { open(Number(this.value)); go(state.t, state.k); }, "input");
on("t", function () { go(Number(this.value), state.k); }, "input");
on("k", function () { go(state.t, Number(this.value)); }, "input");
on("first", () => step(-1));
on("back", () => step(state.at - 1));
on("next", () => step(state.at + 1));
on("last", () => step(walk.length - 1));
on("fold", () => setFold(!state.fold));
on("dark", () => paint(!document.documentElement.classList.contains("dark")));
on("mode", (e) => { state.mode = e.target.value; listTerms(); openGroups(); mark(); rest(); }, "change");
on("inside", () => { if ($("inside").open) values(state.column || column()); }, "toggle");
document.addEventListener("keydown", (e) => {
  if (e.ctrlKey || e.metaKey || e.altKey || e.target.closest("input, textarea")) return;
  const to = { ArrowRight: state.at + 1, ArrowLeft: state.at - 1, Home: -1, End: walk.length - 1 }[e.key];
  if (to !== undefined) { e.preventDefault(); step(to); }
  else if ((e.key === "Enter" || e.key === " ") && e.target.closest(".factor, .edge")) { e.preventDefault(); press(e.target); }
});
/** A factor: walk up to it. The box of a variable: look inside its step. The ellipsis: unfold. */
function press(target) {
  const f = target.closest(".factor"), node = target.closest(".node"), band = target.closest(".band");
  if (f) step(walk.findIndex(([i, j]) => i === Number(f.closest("li").dataset.term) && j === Number(f.dataset.place)));
  else if (node && svg.contains(node) && variable(node.getAttribute("data-id"))) {
    state.column = variable(node.getAttribute("data-id")).step;
    $("inside").open = true;
    values(state.column);
    point(target);
  } else if (state.fold && band && svg.contains(band) && /not shown/.test(band.textContent)) setFold(false);
}
const columns = document.querySelector(".columns");
let under = null;
columns.addEventListener("mousemove", (e) => { // not "mouseover": a page that scrolls under a resting mouse must not answer
  if (e.target !== under) point((under = e.target));
});
columns.addEventListener("focusin", (e) => point(e.target));
columns.addEventListener("focusout", rest);
columns.addEventListener("mouseleave", () => {
  under = null;
  const held = document.activeElement; // what has the keyboard stays pointed at
  if (held && held.matches(".factor, .edge")) point(held);
  else rest();
});
columns.addEventListener("click", (e) => press(e.target));
window.addEventListener("hashchange", read);
if (document.documentElement.classList.contains("print")) $("dark").hidden = true;
else paint(document.documentElement.classList.contains("dark") || (window.matchMedia && matchMedia("(prefers-color-scheme: dark)").matches));
read();
