// Point at a factor and its edge in the picture lights up, and the other way round. The page says the same without it.
(function () {
  var index = {};
  document.querySelectorAll("[data-id]").forEach(function (e) {
    e.getAttribute("data-id").split(" ").forEach(function (id) { (index[id] = index[id] || []).push(e); });
  });
  var lit = [];
  function show(event) {
    lit.forEach(function (e) { e.classList.remove("lit"); });
    lit = [];
    var e = event.type === "mouseover" && event.target.closest("[data-id]");
    if (!e) return;
    e.getAttribute("data-id").split(" ").forEach(function (id) { lit = lit.concat(index[id]); });
    if (!e.closest("svg")) lit = lit.filter(function (f) { return f === e || f.closest("svg"); });
    lit.forEach(function (f) { f.classList.add("lit"); });
  }
  document.addEventListener("mouseover", show);
  document.addEventListener("mouseout", show);
})();
