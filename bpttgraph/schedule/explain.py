"""The schedule in plain words: what stands before, in and after each loop, and why. Read off the stages that are
run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .values import VIEWS, Stage, Value

if TYPE_CHECKING:
    from .plan import Plan

__all__ = ["explain"]

_INFIX = {"matvec": "{} {}", "vecmat": "{1}ᵀ {0}", "div": "{} / {}", "ratio": "{} / {}"}


def explain(plan: Plan) -> str:
    """What a plan does, for `schedule.explain()`."""
    u = plan.system.u
    words = _Words(plan)
    forward = [s for s in plan.stages if plan.needed_forward(s)]
    reverse = [s for s in plan.stages if not plan.needed_forward(s)]
    title = ", ".join(f"T = {n} in {b}" if b else f"T = {n}" for b, n in u.steps.items())
    lines = [f"{u.recurrence.title}: the schedule for {title}", "", "FORWARD", *words.passage(forward, "another step")]
    lines += ["", "REVERSE", *words.passage(reverse, "the adjoint of another step")]
    back = [v for s in reverse if s.loop for v in s.values if v.op == "read" and v.attrs["delay"]]
    if back:
        lines += [
            "",
            f"{words.read(back[0])} is what the step that read {back[0].attrs['source'][4:]} sends back to it.",
        ]
    return "\n".join(lines)


class _Words:
    def __init__(self, plan: Plan):
        self.plan = plan
        self.names: dict[Value, str] = {}
        self.uses: dict[Value, int] = {}
        self.gradients = {v: name for name, v in plan.gradients.items()}
        self.loop_of = {v: s for s in plan.stages if s.loop for v in s.values}
        # what loops of the reverse pass multiply with, and compute in no step
        loops = [s for s in plan.stages if s.loop and not plan.needed_forward(s)]
        inside = [v for s in loops for v in s.values if v.op == "Π"]
        self.factors = {a for v in inside for a in v.args if a not in self.loop_of and not a.name}
        self.told: set[Value] = set()
        for stage in plan.stages:
            for value in stage.values:
                for arg in value.args:
                    self.uses[arg] = self.uses.get(arg, 0) + 1

    # -- names ---------------------------------------------------------------------------------------------------------

    def name(self, value: Value) -> str:
        """How a value is called where it is read."""
        if value.op == "given":
            return f"{value.name}[t]" if value.attrs["timed"] else value.name
        if value.op == "read":
            return self.read(value)
        if value.op == "full":
            return f"{value.attrs['value']:g}"
        if value.op == "take" and not value.name:
            return f"part {value.attrs['start'] + 1}–{value.attrs['stop']} of {self.name(value.args[0])}"
        if value.op == "rows":
            return f"rows {value.attrs['start'] + 1}–{value.attrs['stop']} of {self.name(value.args[0])}"
        if value.op in ("reshape", "expand", "transpose"):
            return self.name(value.args[0]) + ("ᵀ" if value.op == "transpose" else "")
        if value.op in ("stack", "concat") and value not in self.told:
            return "[" + "; ".join(self.name(a) for a in value.args) + "]"
        if value.name:
            once = value.rows is None or value.rows.name == "once"
            return value.name if once or value.name.endswith("]") else f"{value.name}[t]"
        if value not in self.names and (self.uses.get(value, 0) > 1 or value in self.told):
            self.names[value] = f"q{len(self.names) + 1}"
        if value in self.names:
            return self.names[value] + ("[t]" if value.rows is not None else "")
        return self.formula(value)

    def read(self, value: Value) -> str:
        kind, delay = value.attrs["kind"], value.attrs["delay"]
        text = value.attrs["source"]
        if kind == "at":
            return f"{text} at step {delay + 1}"
        if kind == "shift":
            shift = f"[t{-delay:+d}]" if delay else "[t]"
            if text.startswith("∂E/∂"):
                return f"({text}){shift}" if delay else f"({text})"
            return f"{text}{shift}"
        return f"{text.removesuffix(' at the losses')}[t]"

    def formula(self, value: Value) -> str:
        args = [self.name(a) for a in value.args]
        match value.op:
            case "Σ":
                text = ""
                for sign, arg in zip(value.attrs["signs"], args):
                    text += (" + " if sign > 0 else " − ") + arg if text else arg if sign > 0 else f"−{arg}"
                number = value.attrs["number"]
                if number and text.startswith("−"):
                    return f"({number:g} − {text[1:]})"
                return f"({text}{f' + {number:g}' if number > 0 else f' − {-number:g}' if number else ''})"
            case "Π":
                factor = value.attrs["factor"]
                lead = "−" if factor == -1 else "" if factor == 1 else f"{factor:g}·"
                return lead + " ∘ ".join(args)
            case "batch_outer":
                return f"Σ_t {args[0]} {args[1]}ᵀ"
            case "batch_sum":
                return f"Σ_t {args[0]}"
            case "copy":
                return args[0]
            case "concat":
                return "[" + "; ".join(args) + "]"
        if value.op in _INFIX:
            return _INFIX[value.op].format(*args)
        return f"{value.op}({', '.join(map(_bare, args))})"

    # -- passages ------------------------------------------------------------------------------------------------------

    def passage(self, stages: list[Stage], waits: str) -> list[str]:
        """One pass: its loops, and between them what is computed for all steps at once."""
        lines: list[str] = []
        seen_loop = False
        block: list[Value] = []
        remaining = sum(s.loop for s in stages)

        def flush() -> None:
            nonlocal block
            shown = [line for v in block for line in self.whole(v)]
            if shown:
                if remaining and not seen_loop:
                    lines.append(f"  before the loop, for all steps at once (nothing here waits for {waits}):")
                elif remaining:
                    lines.append("  between the loops, for all steps at once:")
                else:
                    lines.append(
                        "  after the loop, for all steps at once (no step reads it):"
                        if seen_loop
                        else "  for all steps at once:"
                    )
                lines.extend(f"    {line}" for line in shown)
            block = []

        for stage in stages:
            if not stage.loop:
                block.append(stage.values[0])
                continue
            flush()
            remaining -= 1
            seen_loop = True
            reads = ", ".join(dict.fromkeys(self.read(v) for v in stage.values if v.op == "read"))
            way = "t = 1, …, T" if stage.direction > 0 else "t = T, …, 1"
            lines.append(f"  loop over {way} (each step waits for {reads}):")
            lines += [f"    {line}" for line in self.loop(stage)]
        flush()
        return lines

    def whole(self, value: Value) -> list[str]:
        """A line for a value that is computed for all steps at once."""
        if value.op in (*VIEWS, "given", "read", "full", "stack", "copy") or (
            value.op == "concat" and self.uses[value] < 2
        ):
            return []
        if value.op in ("batch_outer", "batch_sum"):
            return [self.gradient_line(value)]
        if (
            not value.name
            and self.uses.get(value, 0) == 1
            and not self._for_loop(value)
            and value not in self.gradients
        ):
            return []  # written out where it is used
        if not value.name:
            self.told.add(value)
        why = ""
        if value.op == "matvec" and value.args[0].op == "stack":
            why = f"   one product for {len(value.args[0].args)}"
        elif value in self.factors:
            why = "   local derivatives of all steps"
        return [f"{self.left(value)} = {_bare(self.formula(value))}{why}"]

    def left(self, value: Value) -> str:
        """The left side of a line; the names of its parts, if it has some."""
        name = self.name(value)
        parts = [v for s in self.plan.stages for v in s.values if v.op == "take" and v.args[0] is value and v.name]
        parts.sort(key=lambda v: v.attrs["start"])
        return f"{name} = [{'; '.join(self.name(p) for p in parts)}]" if len(parts) > 1 else name

    def _for_loop(self, value: Value) -> bool:
        return any(value in v.args for v in self.loop_of) and value not in self.loop_of

    def gradient_line(self, value: Value) -> str:
        names = [n for v, n in self.gradients.items() if v is value or (v.op == "rows" and v.args[0] is value)]
        names += [n for v, n in self.gradients.items() if v.op == "take" and v.args[0] is value]
        left = ", ".join(f"∂E/∂{n}" for n in names) or self.name(value)
        if len(names) > 1:
            left = f"[{'; '.join(f'∂E/∂{n}' for n in names)}]"
        what = "one product over the stacked steps" if value.op == "batch_outer" else "one sum over the stacked steps"
        return f"{left} = {self.formula(value)}   {what}"

    def loop(self, stage: Stage) -> list[str]:
        lines = []
        for value in stage.values:
            if value.op in (*VIEWS, "read", "full") or (value.op == "concat" and self.uses[value] < 2):
                continue
            if not value.name and self.uses.get(value, 0) == 1:
                continue
            if not value.name:
                self.told.add(value)
            lines.append(f"{self.left(value)} = {_bare(self.formula(value))}")
            for a in value.args:
                if a.op == "matvec" and a.args[0].op == "stack" and a in self.loop_of:
                    lines[-1] += f"   one product for {len(a.args[0].args)}"
                if a.op == "vecmat" and a.args[1].op == "stack":
                    lines[-1] += f"   one product for {len(a.args[1].args)}"
            if value.op == "vecmat" and value.args[1].op == "stack":
                lines[-1] += f"   one product for {len(value.args[1].args)}"
        return lines


def _bare(text: str) -> str:
    """Without brackets around the whole."""
    if not (text.startswith("(") and text.endswith(")")):
        return text
    depth = 0
    for i, c in enumerate(text):
        depth += (c == "(") - (c == ")")
        if depth == 0 and i < len(text) - 1:
            return text
    return text[1:-1]
