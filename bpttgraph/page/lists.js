// The terms, the triangle, the numbers: everything beside the picture.
function math(inner, big) {
  const e = make("span", "formula");
  // Our own MathML; names in it were escaped where it was made.
  e.innerHTML = "<math" + (big ? ' displaystyle="true"' : "") + ">" + inner + "</math>";
  return e;
}
function tick(ok, text) { return make("span", ok ? "ok" : "wrong", (ok ? "✓ " : "✗ ") + text); }
function table(values, rows, digits) {
  const out = make("table", "matrix"), all = values.length > 64 ? [norm(values)] : values, n = values.length > 64 ? 1 : rows;
  if (all !== values) out.appendChild(make("caption", "", "norm"));
  for (let r = 0; r < n; r++) {
    const tr = make("tr");
    all.slice(r * all.length / n, (r + 1) * all.length / n).forEach((v) => tr.appendChild(make("td", "", digits ? minus(v.toFixed(digits)) : short(v))));
    out.appendChild(tr);
  }
  return out;
}
/** In the shape of the parameter: a vector is a column. */
const shaped = (values, digits) => table(values, state.frame.shape[0] || 1, digits);
/** A bar on a logarithmic scale of five powers of ten: what vanishes visibly vanishes. */
function bar(value, high, width) {
  const e = make("span", "bar");
  e.style.width = (value > 0 ? Math.max(0.04, 1 + Math.log10(value / high) / 5) * width : 0).toFixed(2) + "em";
  return e;
}
const kname = (k) => state.frame.uses[k] || String(k);
const many = (n, what) => n + " " + what + (n === 1 ? "" : "s");

/** The terms, in groups of the same (t, k). */
function listTerms() {
  const home = $("terms"), groups = {}, out = [];
  home.textContent = "";
  const high = Math.max(...state.terms.map((x) => Math.max(x.n || 0, ...(x.q || []).map(norm))), 1e-300);
  state.terms.forEach((term, i) => {
    const key = term.t + "," + term.k, cell = state.frame.cells[key];
    if (!groups[key]) {
      const group = make("section", "group"), head = make("button", "pick", "t = " + term.t + ", k = " + kname(term.k));
      const heading = make("h3");
      head.type = "button";
      head.addEventListener("click", () => go(term.t, term.k));
      group.dataset.key = key;
      const count = state.terms.filter((x) => x.t === term.t && x.k === term.k).length, sum = make("span", "numbers", count > 1 ? count + " terms, " : "");
      if (cell) sum.append("norm " + short(cell.n) + " ", "ok" in cell ? tick(cell.ok, "") : "");
      heading.append(head, sum);
      group.append(heading, make("ol"));
      group.count = count;
      group.classList.toggle("many", count > 1);
      groups[key] = home.appendChild(group);
    }
    const li = make("li"), product = make("div", "product");
    li.dataset.term = i;
    if (state.frame.weight !== 1) product.appendChild(make("span", "weight", short(state.frame.weight) + " · "));
    term.l.forEach((id, j) => {
      const f = make("span", "factor"), d = fact(id);
      f.dataset.link = id;
      f.dataset.place = j;
      f.setAttribute("role", "button");
      f.setAttribute("aria-label", d.s + (d.j === d.s ? "" : " = " + d.j) + ("n" in d ? ", norm " + short(d.n) : ""));
      f.appendChild(state.mode === "number" && "n" in d ? make("span", "norm", short(d.n)) : math((state.mode === "formula" && d.f) || d.m, true));
      if (term.q) f.appendChild(bar(j < term.q.length ? norm(term.q[j]) : term.n, high, 2.2));
      product.appendChild(f);
      if (state.mode === "number" && j < term.l.length - 1) product.append(" · ");
    });
    li.appendChild(product);
    if ("n" in term && groups[key].count > 1) li.appendChild(make("span", "numbers", "norm " + short(term.n)));
    groups[key].querySelector("ol").appendChild(li);
    out.push(li);
  });
  lists = { items: out, groups: groups };
}
/** Only the chosen group is open where there are many terms. */
function openGroups() {
  const key = state.t + "," + state.k;
  Object.keys(lists.groups).forEach((g) => {
    const open = g === key || state.terms.length <= 12, e = lists.groups[g];
    e.classList.toggle("chosen", g === key);
    e.classList.toggle("closed", !open);
    e.querySelector("button").setAttribute("aria-expanded", open);
  });
}

/** The triangle of contributions: one cell for each (t, k), with its norm. */
function triangle() {
  const home = $("triangle"), cells = state.frame.cells, steps = (what) => [...new Set(state.terms.map((x) => x[what]))].sort((a, b) => a - b);
  home.textContent = "";
  if (!Object.keys(cells).length) return;
  const high = Math.max(...Object.values(cells).map((c) => c.n), 1e-300), grid = make("table");
  grid.appendChild(make("caption", "", "norms by loss step t and use step k (logarithmic bars)"));
  const top = grid.appendChild(make("tr"));
  top.appendChild(make("td"));
  steps("k").forEach((k) => { const th = make("th", "", "k = " + kname(k)); th.scope = "col"; top.appendChild(th); });
  steps("t").forEach((t) => {
    const tr = grid.appendChild(make("tr")), th = make("th", "", "t = " + t);
    th.scope = "row";
    tr.appendChild(th);
    steps("k").forEach((k) => {
      const td = tr.appendChild(make("td")), cell = cells[t + "," + k];
      if (!cell) return;
      const b = td.appendChild(make("button"));
      b.type = "button";
      b.dataset.key = t + "," + k;
      b.append(bar(cell.n, high, 4), make("span", "norm", short(cell.n)));
      if ("ok" in cell) b.appendChild(tick(cell.ok, ""));
      b.setAttribute("aria-label", "t = " + t + ", k = " + kname(k) + ": norm " + short(cell.n) + ("ok" in cell ? (cell.ok ? ", agrees with the complex step" : ", the complex step differs") : ""));
      b.addEventListener("click", () => go(t, k));
    });
  });
  home.appendChild(grid);
}

/** The sum of the terms walked so far beside the gradient of the reverse pass and the one that the complex step measures. */
function sums() {
  const out = $("sum"), frame = state.frame;
  out.textContent = "";
  out.classList.toggle("start", state.at < 0);
  if (!frame.gradient) return;
  const sum = frame.gradient.map(() => 0);
  let done = 0;
  state.terms.forEach((term, i) => {
    if (term.l.length && (state.at < 0 || i > walk[state.at][0] || (i === walk[state.at][0] && walk[state.at][1] < term.l.length - 1))) return;
    done++;
    term.v.forEach((v, n) => { sum[n] += v; });
  });
  out.append(
    card.column("sum of " + done + " of " + many(state.terms.length, "term"), shaped(sum, 4)),
    card.column("the gradient (reverse pass)", shaped(frame.gradient, 4)),
  );
  out.appendChild(make("p", "numbers")).appendChild(tick(frame.ok, frame.ok ? "the complex step measures the same gradient" : "the complex step measures another gradient"));
  if (done !== state.terms.length) return;
  const off = Math.max(...sum.map((v, n) => Math.abs(v - frame.measured[n])));
  const good = frame.ok && sum.every((v, n) => Math.abs(v - frame.measured[n]) <= frame.allowed[n]);
  out.appendChild(make("p", "verdict")).appendChild(tick(good, (good ? "the terms add up to the checked gradient" : "the terms do not add up to the checked gradient") + ", largest difference " + short(off)));
}

/** The card: symbol, value and checked value of what is pointed at. */
const card = {
  put(title, parts) {
    const home = $("card");
    home.textContent = "";
    const h = home.appendChild(make("h2"));
    h.append(...title);
    home.appendChild(make("div", "row")).append(...parts.filter(Boolean));
  },
  column(name, ...parts) {
    const e = make("div", parts.length > 4 ? "column wide" : "column");
    e.appendChild(make("span", "name", name));
    e.append(...parts);
    return e;
  },
  factor(id, term, j) {
    const f = fact(id), parts = [this.column("symbol", math(f.m, true))];
    if (f.f) parts.push(this.column("formula", math(f.f, true)));
    if (f.v) parts.push(this.column("value", table(f.v, f.r), make("span", "numbers", "norm " + short(f.n))));
    else if ("n" in f) parts.push(this.column("norm", make("span", "", short(f.n))));
    if ("n" in f) parts.push(this.column("checked", tick(f.ok, "complex step")));
    if (term && term.q && j < term.q.length) parts.push(this.column(f.v && f.v.length / f.r === term.q[j].length ? "product up to here" : "norm of the product up to here", table(term.q[j], 1)));
    if (term && j === term.l.length - 1 && term.v) parts.push(this.column("the whole term", shaped(term.v)));
    this.put(term ? ["Factor " + (j + 1) + " of " + term.l.length + ", t = " + term.t + ", k = " + kname(term.k)] : ["The factor of this arrow"], parts);
  },
  term(term) {
    const parts = [this.column("symbol", ...term.l.map((id) => math(fact(id).m, true)))];
    if (term.v) parts.push(this.column("value", shaped(term.v)));
    this.put(["A term of t = " + term.t + ", k = " + kname(term.k)], parts);
  },
  cell() {
    const c = state.frame.cells[state.t + "," + state.k], own = chosen(), parts = [];
    if (own.length) parts.push(this.column("symbol", ...state.terms[own[0]].l.map((id) => math(fact(id).m, true)), own.length > 1 ? " + … (" + many(own.length, "term") + ")" : ""));
    else parts.push(make("p", "", "No path leads from the loss at step " + state.t + " to the use at step " + kname(state.k) + "."));
    if (c) parts.push(this.column("value", shaped(c.v)));
    if (c && c.c) parts.push(this.column("checked: complex step", shaped(c.c)), this.column("", tick(c.ok, c.ok ? "equal up to rounding" : "they differ"), make("span", "numbers", "largest difference " + short(c.d))));
    this.put(["Contribution of t = " + state.t + " through the use at k = " + kname(state.k)], parts);
  },
  whole() {
    const f = state.frame;
    if (f.gradient) this.put(["All " + many(state.terms.length, "term")], [this.column("value", shaped(f.gradient)), this.column("checked: complex step", shaped(f.measured)), this.column("", tick(f.ok, f.ok ? "equal up to rounding" : "they differ"))]);
  },
  variable(name) {
    const v = variable(name);
    if (!v) return;
    this.put([math(v.m)], [v.e ? this.column("equation", make("span", "", v.e)) : null, v.v ? this.column("value", table(v.v, 1)) : null]);
  },
};

/** Every variable of one step: the reading for those who see no picture. */
function values(column) {
  const out = $("values"), seen = Object.keys(Object.assign({}, book.variables, state.frame.values));
  out.textContent = "";
  const head = out.appendChild(make("tr"));
  ["variable", "equation", "value"].forEach((w) => { const th = make("th", "", w); th.scope = "col"; head.appendChild(th); });
  seen.forEach((name) => {
    const v = variable(name);
    if (v.step !== column || !svg.querySelector('[data-id="' + CSS.escape(name) + '"]')) return;
    const tr = out.appendChild(make("tr"));
    tr.appendChild(make("th")).appendChild(math(v.m));
    tr.append(make("td", "", v.e || "given"), make("td", "", v.v ? v.v.map(short).join("  ") : ""));
  });
}
