// What lights up: a factor and its arrow, a term and its path, a variable and what it is.
let svg, edges, lists;

/** Find the arrows of the picture that is shown; only those of the chosen terms are tab stops. */
function wire() {
  const name = state.fold && $$('.frame[data-frame="' + state.n + '"]').length > 1 ? 1 : 0;
  $$(".frame").forEach((e) => { e.hidden = Number(e.dataset.frame) !== state.n || Number(e.dataset.fold) !== name; });
  svg = document.querySelector(".frame:not([hidden]) svg");
  edges = {};
  svg.querySelectorAll(".edge").forEach((e) => {
    const id = e.getAttribute("data-id"), f = fact(id);
    edges[id] = e;
    if (!f) return;
    e.setAttribute("role", "button");
    e.setAttribute("tabindex", "-1");
    e.setAttribute("aria-label", f.s + (f.j === f.s ? "" : " = " + f.j));
  });
}

function clear() {
  $$(".lit, .on").forEach((e) => { if (!e.closest("defs") && !e.classList.contains("key")) e.classList.remove("lit", "on"); });
  svg.classList.remove("busy");
}

/** Light an arrow (or none) and the paths of some terms; inside the step, the way of the arrow. */
function light(id, indices) {
  svg.classList.add("busy");
  indices.forEach((i) => state.terms[i].l.forEach((x) => { if (edges[x]) edges[x].classList.add("on"); }));
  if (id && edges[id]) edges[id].classList.add("lit");
  within(id);
}
function within(id) {
  const ids = book.inside[id] || [];
  $$("#cell [data-id]").forEach((e) => e.classList.toggle("lit", ids.indexOf(e.getAttribute("data-id")) >= 0));
}

/** Pointing, by mouse, by tab or by finger. */
function point(target) {
  const f = target.closest(".factor"), li = target.closest("#terms li"), e = target.closest(".edge");
  const node = target.closest(".node, .rail");
  if (!f && !li && !(e && svg.contains(e)) && !(node && svg.contains(node))) return rest();
  clear();
  if (f) {
    f.classList.add("lit");
    light(f.dataset.link, [Number(li.dataset.term)]);
    card.factor(f.dataset.link, state.terms[li.dataset.term], Number(f.dataset.place));
  } else if (li) {
    light("", [Number(li.dataset.term)]);
    card.term(state.terms[li.dataset.term]);
  } else if (e) {
    const id = e.getAttribute("data-id");
    $$(".factor").forEach((x) => { if (x.dataset.link === id) x.classList.add("lit"); });
    light(id, []);
    if (fact(id)) card.factor(id);
  } else if (node.classList.contains("parameter") || node.classList.contains("rail")) {
    light("", state.terms.map((_, i) => i));
    card.whole();
  } else {
    node.classList.add("lit");
    within(node.getAttribute("data-id"));
    card.variable(node.getAttribute("data-id"));
  }
}

/** What is lit when nothing is pointed at: the factor walked last, or the chosen terms. */
function rest() {
  clear();
  if (state.at >= 0) {
    const [i, j] = walk[state.at], term = state.terms[i];
    lists.items[i].querySelectorAll(".factor")[j].classList.add("lit");
    light(term.l[j], [i]);
    card.factor(term.l[j], term, j);
  } else {
    light("", chosen());
    card.cell();
  }
}

/** Mark what has been walked, what is chosen, and what can be reached with the tab key. */
function mark() {
  const picked = chosen(), [here, factor] = state.at >= 0 ? walk[state.at] : [-1, -1];
  const open = {};
  picked.concat(here >= 0 ? [here] : []).forEach((i) => state.terms[i].l.forEach((x) => { open[x] = true; }));
  lists.items.forEach((li, i) => {
    li.classList.toggle("at", here === i);
    li.querySelectorAll(".factor").forEach((f, j) => {
      f.classList.toggle("by", i < here || (i === here && j <= factor));
      f.tabIndex = picked.indexOf(i) >= 0 ? 0 : -1;
    });
  });
  Object.keys(edges).forEach((id) => {
    edges[id].classList.remove("by");
    if (fact(id)) edges[id].setAttribute("tabindex", open[id] ? "0" : "-1");
  });
  for (let n = 0; n <= state.at; n++) {
    const e = edges[state.terms[walk[n][0]].l[walk[n][1]]];
    if (e) e.classList.add("by");
  }
  const full = here >= 0 && factor === state.terms[here].l.length - 1;
  svg.querySelectorAll(".node.parameter").forEach((e) => e.classList.toggle("added", full));
}
