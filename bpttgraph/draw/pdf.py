"""A one-page PDF: a content stream of Bézier paths. No fonts, no dates, so the same picture gives the same bytes."""

from __future__ import annotations

import zlib

from .marks import Layout
from .paint import orders

__all__ = ["write_pdf"]


def _number(v: float) -> str:
    text = f"{v:.3f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def _colour(value: str) -> str:
    return " ".join(_number(int(value[k : k + 2], 16) / 255) for k in (1, 3, 5))


def _stream(layout: Layout) -> str:
    # PDF counts upwards; one matrix turns the whole page.
    s = _number(layout.scale) if layout.scale == 1 else f"{layout.scale:.6f}"
    out = [f"{s} 0 0 -{s} 0 {_number(layout.height * layout.scale)} cm 1 j"]
    for order in orders(layout):
        x, y, scale = order.move
        if order.fill != "none":
            out.append(_colour(order.fill) + " rg")
        if order.stroke != "none":
            dash = " ".join(map(_number, order.dash))
            out.append(f"{_colour(order.stroke)} RG {_number(order.width)} w [{dash}] 0 d")
        for path in order.paths:
            points = [f"{_number(x + px * scale)} {_number(y + py * scale)}" for px, py in path]
            out.append(points[0] + " m")
            out += [" ".join(points[k : k + 3]) + " c" for k in range(1, len(points), 3)]
            if order.fill != "none":
                out.append("h")
        paint = {(True, True): "B", (True, False): "f", (False, True): "S"}.get(
            (order.fill != "none", order.stroke != "none")
        )
        out.append(paint or "n")
    return "\n".join(out)


def write_pdf(layout: Layout) -> bytes:
    """The picture as PDF 1.4."""
    stream = zlib.compress(_stream(layout).encode("ascii"), 9)
    title = b"<feff" + layout.title.encode("utf-16-be", "replace").hex().encode() + b">"
    box = f"[0 0 {_number(layout.width * layout.scale)} {_number(layout.height * layout.scale)}]".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R /ViewerPreferences << /DisplayDocTitle true >> >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox " + box + b" /Resources << >> /Contents 4 0 R >>",
        b"<< /Length %d /Filter /FlateDecode >>\nstream\n" % len(stream) + stream + b"\nendstream",
        b"<< /Title " + title + b" /Producer (bpttgraph) >>",
    ]
    out = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    offsets = []
    for k, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n" % k + body + b"\nendobj\n"
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d /Root 1 0 R /Info 5 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(out)
