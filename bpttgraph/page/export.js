// Pictures and LaTeX to take away. What is written stands alone: no style sheet and no glyph outside.
function standalone() {
  const copy = svg.cloneNode(true), from = svg.querySelectorAll("*"), to = copy.querySelectorAll("*");
  const kept = ["fill", "stroke", "stroke-width", "stroke-dasharray", "opacity", "marker-start"];
  const settle = (a, b) => {
    const s = getComputedStyle(a);
    if (s.display === "none") b.setAttribute("display", "none");
    kept.forEach((p) => b.setAttribute(p, s.getPropertyValue(p).replace(/url\("?[^"#]*#([^")]*)"?\)/, "url(#$1)")));
    ["tabindex", "role"].forEach((p) => b.removeAttribute(p));
  };
  from.forEach((e, i) => { if (e.matches("path,polygon,circle,rect,ellipse,g,use,text")) settle(e, to[i]); });
  const defs = document.querySelector(".glyphs defs").cloneNode(true);
  defs.querySelectorAll("marker path").forEach((p, i) => p.setAttribute("fill", getComputedStyle(document.querySelectorAll(".glyphs marker path")[i]).fill));
  const [x, y, w, h] = svg.getAttribute("viewBox").split(" "), paper = document.createElementNS(svg.namespaceURI, "rect");
  Object.entries({ x: x, y: y, width: w, height: h, fill: getComputedStyle(document.body).backgroundColor }).forEach(([k, v]) => paper.setAttribute(k, v));
  copy.prepend(defs, paper);
  copy.setAttribute("role", "img");
  copy.removeAttribute("class");
  return new XMLSerializer().serializeToString(copy);
}
function save(blob, name) {
  const a = make("a");
  a.href = URL.createObjectURL(blob);
  a.download = name;
  a.click();
  setTimeout(() => URL.revokeObjectURL(a.href), 10000);
}
const file = (end) => "T" + state.frame.T + "-t" + state.t + "-k" + state.k + end;
function copyText(text, said) {
  const field = $("text");
  field.hidden = false;
  field.value = text;
  field.select();
  if (navigator.clipboard) navigator.clipboard.writeText(text).catch(() => {});
  $("say").textContent = said;
}
/** The LaTeX of the term walked, or of all terms of the chosen (t, k). */
function latex() {
  const own = state.at >= 0 ? [walk[state.at][0]] : chosen();
  return own.map((i) => state.terms[i].tex || state.terms[i].l.map((id) => fact(id).x).join(" \\, ")).join("\n+ ");
}
on("copy", () => copyText(latex(), "The LaTeX is in the field below and on the clipboard."));
on("link", () => { tell(); copyText(location.href, "The link to this view is in the field below and on the clipboard."); });
on("svg", () => save(new Blob([standalone()], { type: "image/svg+xml" }), file(".svg")));
on("png", () => {
  const picture = new Image(), url = URL.createObjectURL(new Blob([standalone()], { type: "image/svg+xml" }));
  picture.onload = () => {
    const sheet = make("canvas");
    sheet.width = 2 * picture.width;
    sheet.height = 2 * picture.height;
    sheet.getContext("2d").drawImage(picture, 0, 0, sheet.width, sheet.height);
    sheet.toBlob((blob) => { save(blob, file(".png")); URL.revokeObjectURL(url); }, "image/png");
  };
  picture.src = url;
});
