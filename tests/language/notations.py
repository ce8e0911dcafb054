"""Expressions as people write them: LaTeX, units with indices, Unicode, plain text, NumPy and PyTorch.

A notation is drawn from a few options (a dictionary), so that a misread text can be made simpler option by option.
`Notation.equation` gives the left and the right side; what it returns is never parsed here again.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence

from .trees import Equation, Name, Node, Recurrence

SUM, PRODUCT, ATOM = 1, 2, 3
Options = Mapping[str, str]


class Unwritable(Exception):
    """A notation has no form for this recurrence."""


def every_node(recurrence: Recurrence) -> Iterator[Node]:
    for e in recurrence.equations:
        yield from e.right.walk()


def drawn(r: random.Random, choices: Mapping[str, Sequence[str]], density: float) -> dict[str, str]:
    """A value of every option; the first and plainest one where the lot does not fall."""
    return {k: r.choice(v) if r.random() < density else v[0] for k, v in choices.items()}


class Notation:
    """What all notations share: precedence, brackets, and where the factors stand."""

    choices: Mapping[str, Sequence[str]] = {}
    circle = "π"

    def __init__(self, recurrence: Recurrence, options: Options):
        self.of, self.options = recurrence, options
        self.letter = options.get("letter", "t")
        self.rows = recurrence.rows
        if any(n.base == self.letter.replace("\\tau", "τ") for n in recurrence.shapes):
            raise Unwritable
        self.zero = False
        read = [(n.name, n.at) for e in recurrence.equations for n in e.right.walk() if n.op == "name"]
        carried = {name for name, at in read if at}
        gates = {name for name, at in read if at == 0} & {e.left for e in recurrence.equations} - carried
        gates -= {n for n in gates if n.base == "y"}
        plain = all(not n.label and len(recurrence.shapes[n]) == 1 for n in gates)
        self.stepless = gates if options.get("gates") == "without steps" and plain else set()

    @classmethod
    def draw(cls, r: random.Random, density: float) -> dict[str, str]:
        return drawn(r, cls.choices, density)

    def equation(self, e: Equation) -> tuple[str, str]:
        if e.at is None:
            return self.once(e.left), self.total(e)
        return self.read(e.left, 0), self.expression(e.right)

    def expression(self, e: Node) -> str:
        return self.write(e)[0]

    def read(self, name: Name, at: int | None) -> str:
        return self.once(name) if at is None or name in self.stepless else self.value(name, at)

    def initial(self, name: Name) -> str:
        """The value of a state before the first step."""
        self.zero = True
        text = self.value(name, 0)
        self.zero = False
        return text

    @property
    def identity(self) -> str:
        return "I"

    # -- to be told by each notation ----------------------------------------------------------------------------------

    def value(self, name: Name, at: int) -> str:
        """A value of a step."""
        raise NotImplementedError

    def once(self, name: Name) -> str:
        """A name without steps."""
        raise NotImplementedError

    def function(self, word: str) -> str:
        raise NotImplementedError

    def total(self, e: Equation) -> str:
        raise NotImplementedError

    def times(self, kind: str, a: str, b: str) -> str:
        """A product: kind is "matrix", "entries", "gates" (entries, both of them values of a step) or "number"."""
        raise NotImplementedError

    def stacked(self, parts: list[str]) -> str:
        raise NotImplementedError

    def turned(self, e: Node) -> str:
        """The transpose of an atom."""
        raise NotImplementedError

    def norm2(self, inner: str) -> str:
        raise NotImplementedError

    def fraction(self, a: Node, b: Node) -> tuple[str, int]:
        return f"{self.tight(a)} / {self.tight(b)}", PRODUCT

    def exponential(self, inner: str) -> str:
        return f"exp({inner})"

    def logarithm(self, e: Node) -> str:
        return f"log({self.expression(e)})"

    def step(self, at: int) -> str:
        return "0" if self.zero else self.letter + ("" if at == 0 else f"{at:+d}")

    def bracket(self, inner: str) -> str:
        return f"({inner})"

    # -- shared -------------------------------------------------------------------------------------------------------

    def tight(self, e: Node, level: int = ATOM) -> str:
        """An expression that may be a factor."""
        text, found = self.write(e)
        return text if found >= level else self.bracket(text)

    def write(self, e: Node) -> tuple[str, int]:
        match e.op:
            case "name":
                assert e.name is not None
                return self.read(e.name, e.at), ATOM
            case "num":
                return e.word, ATOM
            case "add" | "sub":
                sign = "+" if e.op == "add" else "-"
                left = self.write(e.args[0])[0]
                right = self.tight(e.args[1], SUM if e.op == "add" and e.args[1].op != "neg" else PRODUCT)
                return f"{left} {sign} {right}", SUM
            case "neg":
                return "-" + self.tight(e.args[0], PRODUCT), SUM
            case "apply":
                return self.product(*e.args), PRODUCT
            case "had":
                a, b = e.args
                gates = all(any(n.at is not None for n in x.walk() if n.op == "name") for x in e.args)
                return self.times("gates" if gates else "entries", self.tight(a), self.tight(b)), PRODUCT
            case "scale":
                a, b = e.args
                inner = self.tight(b, ATOM if b.shape and b.op in ("had", "scale") else PRODUCT)
                return self.times("number", self.tight(a, PRODUCT if a.op == "frac" else ATOM), inner), PRODUCT
            case "call":
                return f"{self.function(e.word)}{self.bracket(self.expression(e.args[0]))}", ATOM
            case "stack":
                return self.stacked([self.expression(a) for a in e.args]), ATOM
            case "dot":
                return self.inner(*e.args), PRODUCT
            case "outer":
                return self.outer(*e.args), PRODUCT
            case "norm2":
                return self.norm2(self.expression(e.args[0])), ATOM
            case "frac":
                return self.fraction(*e.args)
            case "exp":
                return self.exponential(self.expression(e.args[0])), ATOM
            case "pi":
                return self.circle, ATOM
            case "unit":
                return self.identity, ATOM
            case "matrices":
                return self.times("matrix", *map(self.tight, e.args)), PRODUCT
            case "log":
                return self.logarithm(e.args[0]), ATOM
        raise ValueError(e.op)

    def product(self, m: Node, v: Node) -> str:
        inner = self.tight(v, ATOM)
        if self.rows == "T":
            return self.times("matrix", inner, self.turned(m))
        if self.rows:
            return self.times("matrix", inner, self.tight(m))
        return self.times("matrix", self.tight(m), inner)

    def inner(self, a: Node, b: Node) -> str:
        if self.rows:
            return f"{self.tight(a)} {self.turned(b)}"
        return f"{self.turned(a)} {self.tight(b)}"

    def outer(self, a: Node, b: Node) -> str:
        if self.rows:
            return f"{self.turned(a)} {self.tight(b)}"
        return f"{self.tight(a)} {self.turned(b)}"


GREEK = {"α": "alpha", "λ": "lambda", "γ": "gamma", "ρ": "rho", "η": "eta", "β": "beta", "τ": "tau", "φ": "phi",
         "ψ": "psi", "ω": "omega", "ε": "epsilon"}  # fmt: skip
SPELLINGS = {
    "relu": ("ReLU", "relu"),
    "softplus": ("softplus", "Softplus"),
    "silu": ("SiLU",),
    "swish": ("Swish", "swish"),
    "elu": ("ELU",),
    "leaky_relu": ("LeakyReLU",),
    "gelu": ("GELU",),
    "softmax": ("softmax", "Softmax"),
    "hardtanh": ("hardtanh", "HardTanh"),
    "softsign": ("softsign", "Softsign"),
    "mish": ("Mish", "mish"),
    "sigmoid": ("sigmoid", "sigm"),
}


class Latex(Notation):
    choices: Mapping[str, Sequence[str]] = {
        "step": ("h_t", "h_t", "h_t", "h_{t}", "h^{(t)}", "h^{<t>}", "h^{\\langle t\\rangle}", "h(t)", "h(t)",
                 "h_{(t)}", "h_{[t]}", "h[t]", "h^t"),
        "letter": ("t", "t", "t", "n", "k", "\\tau"),
        "label": ("sub", "sub", "sup", "(sup)", "rm"),
        "style": ("", "", "bold", "bm"),
        "matrix product": ("", "", "", "\\cdot", "\\,"),
        "elementwise": ("\\odot", "\\odot", "\\circ", "\\otimes", "\\bullet", "\\star", "\\ast", "adjacent"),
        "function": ("\\mathrm", "\\operatorname", "\\text"),
        "sigma": ("\\sigma", "\\sigma", "word"),
        "brackets": ("()", "()", "\\left", "\\bigl", "\\Big"),
        "stack": ("[a; b]", "[a, b]", "bmatrix", "pmatrix", "\\|"),
        "exp": ("e", "\\exp", "\\mathrm e"),
        "transpose": ("^\\top", "^T", "^{\\mathsf T}", "^{\\top}"),
        "layer": ("sub", "(sup)", "sup"),
        "norm": ("\\|", "\\lVert", "\\left\\|"),
        "fraction": ("\\frac", "\\tfrac", "/"),
        "times": ("", "", "\\,", "\\cdot"),
        "spelling": ("0", "1"),
        "gates": ("", "", "", "without steps"),
        "identity": ("I", "\\mathbf{I}", "\\mathbb{I}", "I_n"),
    }  # fmt: skip
    circle = "\\pi"

    @property
    def identity(self) -> str:
        return self.options["identity"]

    def letters(self, name: Name) -> str:
        base = {"Δt": "\\Delta t"}.get(name.base) or ("\\" + GREEK[name.base] if name.base in GREEK else name.base)
        if not base.startswith("\\") and self.of.shapes.get(name):
            base = {"bold": f"\\mathbf{{{base}}}", "bm": f"\\bm{{{base}}}"}.get(self.options["style"], base)
        return {"~": f"\\tilde{{{base}}}", "^": f"\\hat{{{base}}}"}.get(name.accent, base)

    def once(self, name: Name) -> str:
        base, label = self.letters(name), name.label
        if not label:
            return base
        how = self.options["layer" if label == "l" else "label"]
        if how == "sup" and label.isdigit() and name.base.islower():
            how = "(sup)"
        short = label if len(label) == 1 else f"{{{label}}}"
        form = {
            "sub": f"_{short}",
            "sup": f"^{{{label}}}",
            "(sup)": f"^{{({label})}}",
            "rm": f"_{{\\mathrm{{{label}}}}}",
        }
        return base + form[how]

    def value(self, name: Name, at: int) -> str:
        base, step, how = self.letters(name), self.step(at), self.options["step"]
        label = name.label
        if how == "h_t":
            sub, sup = (step if step == self.letter and len(step) == 1 else f"{{{step}}}"), ""
        elif how in ("h_{t}", "h_{(t)}", "h_{[t]}"):
            sub, sup = "{" + how[3:-1].replace("t", step) + "}", ""
        elif how.startswith("h^{"):
            sub, sup = "", how[2:-1].replace("t", step) + "}" if how != "h^{(t)}" else f"{{({step})}}"
        elif how == "h^t":
            sub, sup = "", f"{{{step}}}"
        else:
            sub, sup = "", ""
        if how == "h^{<t>}":
            sup = f"{{<{step}>}}"
        if how == "h^{\\langle t\\rangle}":
            sup = f"{{\\langle {step} \\rangle}}"
        if label:
            layer = self.options["layer"]
            if sup or layer == "sub":
                sub = f"{{{label},{sub.strip('{}')}}}" if sub else f"{{{label}}}"
            else:
                sup = f"{{({label})}}" if layer == "(sup)" else f"{{{label}}}"
        text = base + (f"_{sub}" if sub else "") + (f"^{sup}" if sup else "")
        return text + {"h(t)": f"({step})", "h[t]": f"[{step}]"}.get(how, "")

    def bracket(self, inner: str) -> str:
        left, right = {
            "\\left": ("\\left(", "\\right)"),
            "\\bigl": ("\\bigl(", "\\bigr)"),
            "\\Big": ("\\Big(", "\\Big)"),
        }.get(self.options["brackets"], ("(", ")"))
        return f"{left}{inner}{right}"

    def function(self, word: str) -> str:
        if word in ("tanh", "sin"):
            return "\\" + word
        if word == "sigmoid" and self.options["sigma"] == "\\sigma":
            return "\\sigma"
        if word in GREEK:
            return "\\" + GREEK[word]
        if word not in SPELLINGS:
            return word
        spelled = SPELLINGS[word]
        return f"{self.options['function']}{{{spelled[int(self.options['spelling']) % len(spelled)]}}}"

    def times(self, kind: str, a: str, b: str) -> str:
        if kind == "gates" and self.options["elementwise"] == "adjacent":
            return f"{a} {b}"
        if kind in ("gates", "entries"):
            sign = self.options["elementwise"].replace("adjacent", "\\odot")
            return f"{a} {sign} {b}"
        sign = self.options["matrix product" if kind == "matrix" else "times"]
        return f"{a} {sign} {b}" if sign else f"{a} {b}"

    def stacked(self, parts: list[str]) -> str:
        how = self.options["stack"]
        if how.endswith("matrix"):
            if self.rows:
                raise Unwritable
            rows = " \\\\ ".join(parts)
            return f"\\begin{{{how}}} {rows} \\end{{{how}}}"
        return "[" + {"[a; b]": "; ", "[a, b]": ", ", "\\|": " \\| "}[how].join(parts) + "]"

    def turned(self, e: Node) -> str:
        text = self.tight(e)
        if "^" in text or (text.endswith((")", "]")) and e.op == "name"):
            text = f"({text})"
        return text + self.options["transpose"]

    def norm2(self, inner: str) -> str:
        left, right = {
            "\\|": ("\\|", "\\|"),
            "\\lVert": ("\\lVert", "\\rVert"),
            "\\left\\|": ("\\left\\|", "\\right\\|"),
        }[self.options["norm"]]
        return f"{left} {inner} {right}^2"

    def fraction(self, a: Node, b: Node) -> tuple[str, int]:
        if self.options["fraction"] == "/":
            return super().fraction(a, b)
        return f"{self.options['fraction']}{{{self.expression(a)}}}{{{self.expression(b)}}}", ATOM

    def exponential(self, inner: str) -> str:
        how = self.options["exp"]
        return f"\\exp({inner})" if how == "\\exp" else how.replace("\\mathrm e", "\\mathrm{e}") + f"^{{{inner}}}"

    def logarithm(self, e: Node) -> str:
        return f"\\log {self.tight(e)}"

    def total(self, e: Equation) -> str:
        if self.letter != "t":
            raise Unwritable
        body = self.tight(e.right, PRODUCT)
        weight = "\\frac{1}{T} " if e.weight else ""
        return f"{weight}\\sum_{{t=1}}^{{T}} {body}"


class Units(Latex):
    r"""LaTeX for one unit: h_i^{(t)} = tanh(\sum_j W_{ij} h_j^{(t-1)})."""

    choices: Mapping[str, Sequence[str]] = {
        **Latex.choices,
        "step": ("h_i^{(t)}", "h_i^{(t)}", "h_i(t)", "h_{t,i}", "h_i[t]"),
        "letter": ("t", "t", "n", "\\tau"),
        "units": ("ij", "jk", "kl"),
        "range": ("", "", "=1"),
        "elementwise": ("adjacent",),
        "matrix product": ("",),
    }

    def __init__(self, recurrence: Recurrence, options: Options):
        super().__init__(recurrence, options)
        whole = ("stack", "dot", "outer", "norm2", "unit", "matrices")
        for n in every_node(recurrence):
            if n.op in whole or n.word == "softmax" or (len(n.shape) == 2 and n.at is not None):
                raise Unwritable
        if any(n.label for n in recurrence.shapes) or recurrence.bottom or recurrence.rows == "T":
            raise Unwritable
        self.index = list(options["units"] + "lm"[: 1 + ("l" not in options["units"])].replace("l", "p"))

    def equation(self, e: Equation) -> tuple[str, str]:
        self.unit, self.free = self.index[0], self.index[1:]
        return super().equation(e)

    def once(self, name: Name) -> str:
        base = self.letters(name)
        return f"{base}_{self.unit}" if len(self.of.shapes[name]) == 1 else base

    def value(self, name: Name, at: int) -> str:
        base, step = self.letters(name), self.step(at)
        if self.of.shapes[name] == ():
            return f"{base}_{{{step}}}"
        how = self.options["step"]
        if how == "h_{t,i}":
            return f"{base}_{{{step},{self.unit}}}"
        return (
            f"{base}_{self.unit}" + {"h_i^{(t)}": f"^{{({step})}}", "h_i(t)": f"({step})", "h_i[t]": f"[{step}]"}[how]
        )

    def product(self, m: Node, v: Node) -> str:
        assert m.name is not None
        outside, inside = self.unit, self.free.pop(0)
        self.unit = inside
        inner = self.tight(v, ATOM if v.op != "had" else PRODUCT)
        self.unit = outside
        self.free.insert(0, inside)
        pair = inside + outside if self.rows else outside + inside
        below = f"{{{inside}=1}}^{'d' if self.letter == 'n' else 'n'}" if self.options["range"] else inside
        return f"\\sum_{below} {self.letters(m.name)}_{{{pair}}} {inner}"

    def times(self, kind: str, a: str, b: str) -> str:
        if "\\sum" in a and not a.endswith(")"):
            a = self.bracket(a)
        return f"{a} {b}"


SUBSCRIPTS = dict(zip("aehijklmnoprstuvx0123456789+-", "ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ₀₁₂₃₄₅₆₇₈₉₊₋"))


class Unicode(Notation):
    choices: Mapping[str, Sequence[str]] = {
        "step": ("hₜ", "hₜ", "h(t)", "h[t]"),
        "letter": ("t", "t", "n", "k"),
        "matrix product": ("", "", "·"),
        "elementwise": ("⊙", "∘", "⊗", "adjacent"),
        "minus": ("-", "−"),
        "style": ("", "", "bold"),
        "times": ("", "·"),
        "transpose": ("ᵀ", "^T"),
        "sigma": ("σ", "sigmoid"),
        "gates": ("", "", "", "without steps"),
        "half": ("½", "1/2"),
    }

    def letters(self, name: Name) -> str:
        base = name.base
        if self.options["style"] == "bold" and base.isascii() and self.of.shapes.get(name):
            start = 0x1D400 if base.isupper() else 0x1D41A
            base = chr(start + ord(base) - ord("A" if base.isupper() else "a"))
        return base + {"~": "\u0303", "^": "\u0302", "": ""}[name.accent]

    def low(self, text: str) -> str:
        if not all(c in SUBSCRIPTS for c in text):
            raise Unwritable
        return "".join(SUBSCRIPTS[c] for c in text)

    def once(self, name: Name) -> str:
        if not name.label:
            return self.letters(name)
        known = all(c in SUBSCRIPTS for c in name.label)
        return self.letters(name) + (self.low(name.label) if known else f"_{name.label}")

    def value(self, name: Name, at: int) -> str:
        base = self.letters(name) + "".join("¹²"[int(c) - 1] for c in name.label)
        if self.options["step"] == "hₜ":
            return base + self.low(self.step(at))
        if name.label:
            base = self.letters(name) + self.low(name.label)
        left, right = self.options["step"][1], self.options["step"][-1]
        return f"{base}{left}{self.step(at)}{right}"

    def function(self, word: str) -> str:
        if word == "sigmoid":
            return self.options["sigma"]
        return SPELLINGS[word][0] if word in SPELLINGS else word

    def times(self, kind: str, a: str, b: str) -> str:
        if kind in ("gates", "entries"):
            sign = self.options["elementwise"]
            if sign == "adjacent":
                sign = "" if kind == "gates" else "⊙"
        else:
            sign = self.options["matrix product" if kind == "matrix" else "times"]
        return f"{a} {sign} {b}" if sign else f"{a} {b}"

    def stacked(self, parts: list[str]) -> str:
        return f"[{'; '.join(parts)}]"

    def turned(self, e: Node) -> str:
        return self.tight(e) + self.options["transpose"]

    def norm2(self, inner: str) -> str:
        return f"‖{inner}‖²"

    def fraction(self, a: Node, b: Node) -> tuple[str, int]:
        if (a.word, b.word) == ("1", "2") and self.options["half"] == "½":
            return "½", ATOM
        return f"{self.tight(a)}/{self.tight(b)}", PRODUCT

    def expression(self, e: Node) -> str:
        return super().expression(e).replace(" - ", f" {self.options['minus']} ")

    def total(self, e: Equation) -> str:
        if self.letter != "t":
            raise Unwritable
        return f"{'1/T ' if e.weight else ''}Σₜ {self.tight(e.right, PRODUCT)}"


class Plain(Unicode):
    choices: Mapping[str, Sequence[str]] = {
        "step": ("h[t]", "h[t]", "h_t", "h_t", "h(t)", "h_(t)", "h<sub>t</sub>"),
        "letter": ("t", "t", "t", "n", "k"),
        "matrix product": ("", "@", " ", "·"),
        "elementwise": ("*", "⊙", "∘", ".*", "adjacent"),
        "minus": ("-",),
        "style": ("",),
        "times": ("", "*"),
        "transpose": (".T", "^T"),
        "sigma": ("sigmoid", "σ"),
        "gates": ("", "", "", "without steps"),
        "half": ("0.5", "1/2"),
        "label": ("W_xh", "Wxh", "W_{xh}"),
        "spelling": ("0", "1"),
        "norm": ("||", "norm", "‖"),
    }

    def once(self, name: Name) -> str:
        base = self.letters(name)
        if not name.label:
            return base
        html = self.options["step"] == "h<sub>t</sub>"
        if html:
            return f"{base}<sub>{name.label}</sub>"
        return (
            base + {"W_xh": f"_{name.label}", "Wxh": name.label, "W_{xh}": f"_{{{name.label}}}"}[self.options["label"]]
        )

    def value(self, name: Name, at: int) -> str:
        base, how, step = self.letters(name) + name.label, self.options["step"], self.step(at)
        if how == "h_t":
            if name.label:
                raise Unwritable
            return f"{base}_{step}" if at == 0 else f"{base}_{{{step}}}"
        if how == "h_(t)":
            return f"{base}_{step}" if at == 0 else f"{base}_({step})"
        return (
            base + how[1:].replace("t>", "\0").replace("t", step).replace("\0", "t>")
            if "<" not in how
            else (f"{base}<sub>{step}</sub>")
        )

    def function(self, word: str) -> str:
        if word == "sigmoid":
            return self.options["sigma"]
        spelled = SPELLINGS.get(word, (word,))
        return spelled[int(self.options["spelling"]) % len(spelled)]

    def fraction(self, a: Node, b: Node) -> tuple[str, int]:
        if (a.word, b.word) == ("1", "2"):
            return (self.options["half"], ATOM if self.options["half"] == "0.5" else PRODUCT)
        return f"{self.tight(a)}/{self.tight(b)}", PRODUCT

    def norm2(self, inner: str) -> str:
        return {"||": f"||{inner}||^2", "norm": f"norm({inner})^2", "‖": f"‖{inner}‖^2"}[self.options["norm"]]

    def total(self, e: Equation) -> str:
        if self.letter != "t":
            raise Unwritable
        return f"{'1/T ' if e.weight else ''}sum_t {self.tight(e.right)}"


WORDS = {**GREEK, "λ": "lam", "Δt": "dt"}
"""What letters that no keyboard has are called in code."""


class Code(Notation):
    """NumPy, PyTorch and TensorFlow."""

    choices: Mapping[str, Sequence[str]] = {
        "library": ("np", "np", "torch", "tf", "jnp", ""),
        "step": ("h[t]", "h[t]", "h_prev", "h_prev", "prev_h", "h[t,:]", "h_t"),
        "matrix product": ("@", "@", "dot", ".dot", "matmul"),
        "self": ("", "", "self."),
        "label": ("W_xh", "Wxh"),
        "letter": ("t", "t", "i"),
        "square": ("**", "**", "*"),
    }

    def __init__(self, recurrence: Recurrence, options: Options):
        super().__init__(recurrence, options)
        nodes = list(every_node(recurrence))
        if not {n.at for n in nodes} <= {None, 0, -1} and "[" not in options["step"]:
            raise Unwritable
        foreign = ("outer", "pi", "unit", "matrices")
        if any(e.at is None for e in recurrence.equations) or any(n.op in foreign for n in nodes):
            raise Unwritable

    def once(self, name: Name) -> str:
        label = name.label and ("_" if self.options["label"] == "W_xh" else "") + name.label
        base = WORDS.get(name.base, name.base)
        return f"{self.options['self'] if not name.accent else ''}{base}{label}"

    def value(self, name: Name, at: int) -> str:
        base = (
            (WORDS | {"d": "target"}).get(name.base, name.base)
            + name.label
            + {"~": "_tilde", "^": "_hat", "": ""}[name.accent]
        )
        how, step = self.options["step"], self.step(at)
        if how == "h_prev":
            return f"{base}_prev" if at else base
        if how == "prev_h":
            return f"prev_{base}" if at else (f"next_{base}" if self.carried(name) else base)
        if how == "h_t":
            return f"{base}_prev" if at else f"{base}_t"
        return f"{base}[{step}]" if how == "h[t]" else f"{base}[{step},:]"

    def carried(self, name: Name) -> bool:
        return any(n.name == name and n.at for e in self.of.equations for n in e.right.walk())

    def function(self, word: str) -> str:
        library = self.options["library"]
        if word in dict(self.of.let):
            return word
        if library == "torch":
            own = ("tanh", "sigmoid", "relu", "softmax", "sin")
            return f"torch.{word}" if word in own else f"F.{word.replace('swish', 'silu')}"
        if word in ("tanh", "sin") and library:
            return f"{library}.{word}"
        if library == "tf" and word in ("sigmoid", "relu", "softplus", "elu", "softmax"):
            return f"tf.nn.{word}"
        return word

    def write(self, e: Node) -> tuple[str, int]:
        if e.op == "call" and e.word == "relu" and self.options["library"] in ("np", "jnp"):
            return f"{self.options['library']}.maximum(0, {self.expression(e.args[0])})", ATOM
        return super().write(e)

    def times(self, kind: str, a: str, b: str) -> str:
        how = self.options["matrix product"]
        if kind != "matrix":
            return f"{a} * {b}"
        library = self.options["library"]
        if how == "@" or not library:
            return f"{a} @ {b}"
        if how == ".dot" and library == "np":
            return f"{a}.dot({b})"
        if how == "dot" and library in ("np", "jnp"):
            return f"{library}.dot({self.bare(a)}, {self.bare(b)})"
        return f"{library}.matmul({self.bare(a)}, {self.bare(b)})"

    def bare(self, text: str) -> str:
        """Without a bracket around the whole."""
        depth = 0
        for i, c in enumerate(text):
            depth += (c == "(") - (c == ")")
            if depth == 0 and i < len(text) - 1:
                return text
        return text[1:-1] if text.startswith("(") else text

    def stacked(self, parts: list[str]) -> str:
        library = self.options["library"]
        if library == "torch":
            return f"torch.cat([{', '.join(parts)}])"
        if library == "tf":
            return f"tf.concat([{', '.join(parts)}], 0)"
        return f"{library or 'np'}.concatenate([{', '.join(parts)}])"

    def turned(self, e: Node) -> str:
        return self.tight(e) + ".T"

    def inner(self, a: Node, b: Node) -> str:
        library = self.options["library"]
        if library in ("np", "jnp", "torch"):
            return f"{library}.dot({self.expression(a)}, {self.expression(b)})"
        return f"{self.tight(a)} @ {self.tight(b)}"

    def norm2(self, inner: str) -> str:
        library = self.options["library"]
        total = {"torch": "torch.sum", "tf": "tf.reduce_sum", "": "sum"}.get(library, f"{library}.sum")
        return f"{total}(({inner})**2)"

    def fraction(self, a: Node, b: Node) -> tuple[str, int]:
        if (a.word, b.word) == ("1", "2"):
            return "0.5", ATOM
        return super().fraction(a, b)

    def exponential(self, inner: str) -> str:
        library = self.options["library"]
        return f"{library}.exp({inner})" if library else f"exp({inner})"

    def logarithm(self, e: Node) -> str:
        library = self.options["library"]
        name = "tf.math.log" if library == "tf" else f"{library}.log" if library else "log"
        return f"{name}({self.expression(e)})"
