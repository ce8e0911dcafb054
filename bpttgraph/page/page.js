// The page shows and hides what is in the file; the only arithmetic here is the running sum of the terms.
(function () {
  "use strict";
  var frames = JSON.parse(document.getElementById("data").textContent).frames;
  var $ = function (id) { return document.getElementById(id); };
  var make = function (tag, cls, text) {
    var e = document.createElement(tag);
    if (cls) e.className = cls;
    if (text !== undefined) e.textContent = text;
    return e;
  };
  var frame, box, svg, edges, items, walk, at = -1;
  // Positions in `walk`: [term, factor]; `at` is the last one walked, -1 before the start.

  function short(v) { return v === 0 ? "0" : Math.abs(v) < 1e-3 || Math.abs(v) >= 1e4 ? v.toExponential(1) : v.toPrecision(3); }
  function norm(v) { return Math.sqrt(v.reduce(function (s, x) { return s + x * x; }, 0)); }
  function each(nodes, what) { Array.prototype.forEach.call(nodes, what); }

  function open(n) {
    frame = frames[n];
    each(document.querySelectorAll(".frame"), function (e) { e.hidden = Number(e.dataset.frame) !== n; });
    box = document.querySelector('.frame[data-frame="' + n + '"]');
    svg = box.querySelector("svg");
    edges = {};
    each(svg.querySelectorAll(".edge"), function (e) {
      edges[e.getAttribute("data-id")] = e;
      if (frame.factors[e.getAttribute("data-id")]) {
        e.setAttribute("tabindex", "0");
        e.setAttribute("role", "button");
        e.setAttribute("aria-label", frame.factors[e.getAttribute("data-id")].s);
      }
    });
    walk = [];
    frame.terms.forEach(function (term, i) { term.l.forEach(function (_, j) { walk.push([i, j]); }); });
    list();
    var most = Math.max.apply(null, frame.terms.map(function (x) { return x.t; }).concat(1));
    $("t").max = most;
    $("T").value = n;
    $("T-out").textContent = frame.T;
    $("count").textContent = "= the sum of " + frame.terms.length + (frame.terms.length === 1 ? " term" : " terms");
    at = -1;
  }

  function list() {
    var ol = $("terms");
    ol.textContent = "";
    var norms = frame.terms.map(function (x) { return norm(x.v); });
    var high = Math.max.apply(null, norms.concat(1e-300));
    items = frame.terms.map(function (term, i) {
      var li = make("li");
      li.dataset.term = i;
      var pick = make("button", "pick", "t=" + term.t + " k=" + term.k);
      pick.type = "button";
      pick.addEventListener("click", function () { go(term.t, term.k); });
      var product = make("div", "product");
      if (frame.weight !== 1) product.appendChild(make("span", "", short(frame.weight) + " · "));
      term.l.forEach(function (id, j) {
        var f = make("span", "factor");
        f.dataset.link = id;
        f.dataset.place = j;
        f.tabIndex = 0;
        f.setAttribute("role", "button");
        f.setAttribute("aria-label", frame.factors[id].s);
        f.title = frame.factors[id].s + " = " + frame.factors[id].j;
        f.innerHTML = '<math displaystyle="true" aria-hidden="true">' + frame.factors[id].m + "</math>"; // our own MathML, escaped in Python
        product.appendChild(f);
      });
      var numbers = make("div", "numbers");
      var bar = make("span", "bar");
      // Logarithmic, four powers of ten: a vanishing term visibly vanishes.
      bar.style.width = Math.max(0, 5 * (1 + Math.log10((norms[i] || 1e-300) / high) / 4)) + "em";
      numbers.appendChild(bar);
      numbers.appendChild(document.createTextNode("norm " + short(norms[i])));
      li.append(pick, product, numbers);
      ol.appendChild(li);
      return li;
    });
  }

  function clear() {
    each(document.querySelectorAll(".factor.lit"), function (e) { e.classList.remove("lit"); });
    Object.keys(edges).forEach(function (id) { edges[id].classList.remove("lit", "on"); });
    svg.classList.remove("busy");
  }
  function light(id, terms) {
    // The edge itself, and the edges of these terms.
    svg.classList.add("busy");
    if (id && edges[id]) edges[id].classList.add("lit");
    terms.forEach(function (i) { frame.terms[i].l.forEach(function (x) { if (edges[x]) edges[x].classList.add("on"); }); });
  }
  function point(target) {
    clear();
    var f = target.closest(".factor"), e = target.closest(".edge"), li = target.closest("#terms li");
    var node = target.closest(".node.parameter, .rail");
    if (f) {
      f.classList.add("lit");
      light(f.dataset.link, [Number(f.closest("li").dataset.term)]);
    } else if (e && svg.contains(e)) {
      var id = e.getAttribute("data-id");
      each(document.querySelectorAll(".factor"), function (x) { if (x.dataset.link === id) x.classList.add("lit"); });
      light(id, []);
    } else if (node && svg.contains(node)) {
      light("", frame.terms.map(function (_, i) { return i; }));
    } else if (li) {
      light("", [Number(li.dataset.term)]);
    } else {
      rest();
    }
  }
  function rest() {
    // What is lit when nothing is pointed at: the factor walked last, or the chosen terms.
    clear();
    if (at >= 0) {
      var i = walk[at][0], j = walk[at][1];
      items[i].querySelectorAll(".factor")[j].classList.add("lit");
      light(frame.terms[i].l[j], [i]);
    } else {
      light("", chosen());
    }
  }
  function chosen() {
    var t = Number($("t").value), k = Number($("k").value), found = [];
    frame.terms.forEach(function (x, i) { if (x.t === t && x.k === k) found.push(i); });
    return found;
  }

  function mark() {
    var picked = chosen();
    items.forEach(function (li, i) {
      li.classList.toggle("chosen", picked.indexOf(i) >= 0);
      li.classList.toggle("at", at >= 0 && walk[at][0] === i);
      each(li.querySelectorAll(".factor"), function (f, j) {
        f.classList.toggle("by", at >= 0 && (i < walk[at][0] || (i === walk[at][0] && j <= walk[at][1])));
      });
    });
    Object.keys(edges).forEach(function (id) { edges[id].classList.remove("by"); });
    for (var n = 0; n <= at; n++) edges[frame.terms[walk[n][0]].l[walk[n][1]]].classList.add("by");
    rest();
    sums();
    say();
  }

  function table(values, caption) {
    var rows = frame.shape.length === 2 ? frame.shape[0] : 1, out = make("table");
    out.appendChild(make("caption", "", caption));
    if (values.length > 64) { out.appendChild(make("tr")).appendChild(make("td", "", "norm " + short(norm(values)))); return out; }
    for (var r = 0; r < rows; r++) {
      var tr = make("tr");
      values.slice(r * values.length / rows, (r + 1) * values.length / rows).forEach(function (v) { tr.appendChild(make("td", "", v.toFixed(5))); });
      out.appendChild(tr);
    }
    return out;
  }
  function total() {
    var sum = frame.gradient.map(function () { return 0; }), done = 0;
    frame.terms.forEach(function (term, i) {
      var whole = at >= 0 && (i < walk[at][0] || (i === walk[at][0] && walk[at][1] === term.l.length - 1));
      if (whole) { done++; term.v.forEach(function (v, n) { sum[n] += v; }); }
    });
    return { sum: sum, done: done };
  }
  function sums() {
    var now = total(), out = $("sum");
    out.textContent = "";
    out.appendChild(table(now.sum, now.done + " of " + frame.terms.length + " terms"));
    out.appendChild(table(frame.gradient, "the gradient of the reverse pass"));
    if (now.done === frame.terms.length) {
      var off = norm(now.sum.map(function (v, n) { return v - frame.gradient[n]; }));
      var good = off <= 1e-8 * (norm(frame.gradient) || 1);
      out.appendChild(make("p", good ? "ok" : "wrong", (good ? "✓ the terms add up to it" : "✗ the terms do not add up to it") + ", difference " + short(off)));
    }
  }
  function say() {
    var text;
    if (at >= 0) {
      var i = walk[at][0], j = walk[at][1], term = frame.terms[i], f = frame.factors[term.l[j]];
      text = "t = " + term.t + ", k = " + term.k + ", factor " + (j + 1) + " of " + term.l.length + ": " + f.s + " = " + f.j;
      if (j === term.l.length - 1) text += ". The term is complete and is added at the parameter.";
    } else {
      var t = Number($("t").value), k = Number($("k").value), cell = frame.cells[t + "," + k], n = chosen().length;
      if (!cell) text = "No path leads from the loss at step " + t + " to the use at step " + k + ".";
      else {
        text = "t = " + t + ", k = " + k + ": " + n + (n === 1 ? " term" : " terms") + ", norm " + short(cell.sum);
        if ("other" in cell) text += "; by the reverse pass " + short(cell.other) + (cell.ok ? " ✓" : " ✗ they differ");
      }
    }
    $("say").textContent = text;
  }

  function go(t, k) {
    at = -1;
    $("t").value = t;
    t = Number($("t").value);
    $("k").max = Math.max.apply(null, frame.terms.map(function (x) { return x.k; }).concat(1));
    $("k").value = k;
    $("t-out").textContent = t;
    $("k-out").textContent = $("k").value;
    history.replaceState(null, "", "#T=" + frame.T + "&t=" + t + "&k=" + $("k").value);
    mark();
    var first = chosen()[0];
    if (first !== undefined) items[first].scrollIntoView({ block: "nearest" });
  }
  function step(to) {
    at = Math.max(-1, Math.min(walk.length - 1, to));
    mark();
    if (at >= 0) items[walk[at][0]].scrollIntoView({ block: "nearest" });
  }
  function read() {
    var found = {};
    location.hash.slice(1).split("&").forEach(function (part) { var p = part.split("="); found[p[0]] = parseInt(p[1], 10); });
    var n = frames.length - 1;
    frames.forEach(function (f, i) { if (f.T === found.T) n = i; });
    open(n);
    var last = frame.terms[frame.terms.length - 1] || { t: 1, k: 1 };
    go(found.t || last.t, found.k || 1);
  }

  $("T").min = 0;
  $("T").max = frames.length - 1;
  $("T").disabled = frames.length === 1;
  $("T").addEventListener("input", function () { var t = Number($("t").value), k = Number($("k").value); open(Number(this.value)); go(t, k); });
  $("t").addEventListener("input", function () { go(Number(this.value), Number($("k").value)); });
  $("k").addEventListener("input", function () { go(Number($("t").value), Number(this.value)); });
  $("first").addEventListener("click", function () { step(-1); });
  $("back").addEventListener("click", function () { step(at - 1); });
  $("next").addEventListener("click", function () { step(at + 1); });
  $("last").addEventListener("click", function () { step(walk.length - 1); });
  $("copy").addEventListener("click", function () {
    var i = at >= 0 ? walk[at][0] : chosen()[0], tex = i === undefined ? "" : frame.terms[i].tex;
    if (navigator.clipboard) navigator.clipboard.writeText(tex).catch(function () {});
    $("say").textContent = tex;
  });
  $("svg").addEventListener("click", function () {
    var copy = svg.cloneNode(true);
    copy.insertBefore(document.querySelector(".glyphs defs").cloneNode(true), copy.firstChild);
    this.href = URL.createObjectURL(new Blob([new XMLSerializer().serializeToString(copy)], { type: "image/svg+xml" }));
  });
  $("svg").href = "#";
  document.addEventListener("keydown", function (e) {
    if (e.target.closest("input") || e.ctrlKey || e.metaKey || e.altKey) return;
    if (e.key === "ArrowRight") { e.preventDefault(); step(at + 1); }
    else if (e.key === "ArrowLeft") { e.preventDefault(); step(at - 1); }
    else if (e.key === "Home") { e.preventDefault(); step(-1); }
    else if (e.key === "End") { e.preventDefault(); step(walk.length - 1); }
  });
  ["mouseover", "focusin", "click"].forEach(function (type) { document.querySelector(".columns").addEventListener(type, function (e) { point(e.target); }); });
  ["mouseleave", "focusout"].forEach(function (type) { document.querySelector(".columns").addEventListener(type, rest); });
  window.addEventListener("hashchange", read);
  read();
})();
