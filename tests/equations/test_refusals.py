"""A refusal names the slip; its hint, followed to the letter, gives the reading that was wanted."""

import pytest

import bpttgraph as bg

WANTED = "h[t] = tanh(W h[t-1] + U x[t])"

SLIPS = [  # a text, what its refusal says, what its hint says, the text that the hint asks for, and what that should be
    (
        r"h_t = \tanh(W h_{t-1 + U x_t)",
        "'{' is never closed",
        "a subscript ends before the next + or space: h_{t-1}",
        r"h_t = \tanh(W h_{t-1} + U x_t)",
        WANTED,
    ),
    (
        r"h_t = \frac{h_{t-1}}{1 + \tanh(x_t}",
        "'}' comes before the '(' to its left is closed",
        "put ')' before this '}'",
        r"h_t = \frac{h_{t-1}}{1 + \tanh(x_t)}",
        "h[t] = h[t-1] / (1 + tanh(x[t]))",
    ),
    (
        r"h_t = (1 - z_t * h_{t-1} + z_t * \tanh(U x_t)",
        "'(' is never closed",
        "close it with ')' where the group ends, which need not be the end of the line",
        r"h_t = (1 - z_t) * h_{t-1} + z_t * \tanh(U x_t)",
        "h[t] = (1 - z[t]) * h[t-1] + z[t] * tanh(U x[t])",
    ),
    (
        r"h_t, c_t = LSTM(x_t, h_{t-1}, c_{t-1})",
        "the left side must be one name",
        "write [h[t]; c[t]] = LSTM(x[t], h[t-1], c[t-1]) for one unknown function with 2 values, "
        "or its own equations, h[t] = … and c[t] = …; bpttgraph.cell('lstm')",
        "[h[t]; c[t]] = LSTM(x[t], h[t-1], c[t-1])",
        "[h_t; c_t] = LSTM(x_t, h_{t-1}, c_{t-1})",
    ),
    (
        r"h_t = \tanh(W h_{t-1} \boxtimes U x_t)",
        r"\boxtimes has no meaning here",
        "write * (entry by entry), @ (matrix product) or outer(a, b) in its place",
        r"h_t = \tanh(W h_{t-1} * U x_t)",
        "h[t] = tanh((W h[t-1]) * (U x[t]))",
    ),
    (
        r"\tanh(W h_{t-1} + U x_t) = h_t",
        "the sides are swapped",
        "write h[t] = …",
        r"h[t] = \tanh(W h_{t-1} + U x_t)",
        WANTED,
    ),
    (
        r"h_t \approx \tanh(W h_{t-1} + U x_t)",
        r"\approx cannot stand in a recurrence",
        "write = for it",
        r"h_t = \tanh(W h_{t-1} + U x_t)",
        WANTED,
    ),
    (
        r"h_t = \sum_{k=0}^{\infty} a^k x_{t-k}",
        r"\infty cannot stand in a recurrence",
        "such as h[t] = a h[t-1] + x[t]",
        "h[t] = a h[t-1] + x[t]",
        r"h_t = a h_{t-1} + x_t",
    ),
    (
        r"h_t = x_t + x_{t-1} + \ldots",
        r"\ldots cannot stand in a recurrence",
        "write every term out",
        "h_t = x_t + x_{t-1} + x_{t-2}",
        "h[t] = x[t] + x[t-1] + x[t-2]",
    ),
    ("h_t == tanh(W h_{t-1} + U x_t)", "'==' compares", "write one = for ==", "h_t = tanh(W h_{t-1} + U x_t)", WANTED),
    (
        r"h_t = W^2 h_{t-1} + U x_t",
        "several readings",
        "(W * W) for the entries",
        r"h_t = (W * W) h_{t-1} + U x_t",
        "h[t] = (W * W) @ h[t-1] + U @ x[t]",
    ),
    (
        "h t = tanh(W h t−1 + U x t)",
        "the left side",
        "a PDF lost the subscripts: write h[t] = tanh(W h[t-1] + U x[t])",
        WANTED,
        WANTED,
    ),
    (
        "h_t = tanh(h_{t-1})\nh_t += W x_t",
        "no += here: h[t] has a value from line 1",
        "add to it there: h[t] = tanh(h[t-1]) + W x[t]",
        "h[t] = tanh(h[t-1]) + W x[t]",
        "h_t = tanh(h_{t-1}) + W x_t",
    ),
    (
        "h_t = h_{t-1} + x_t\nh_t *= o_t + 1",
        "no *= here: h[t] has a value from line 1",
        "multiply it there: h[t] = (h[t-1] + x[t]) * (o[t] + 1)",
        "h[t] = (h[t-1] + x[t]) * (o[t] + 1)",
        "h_t = (h_{t-1} + x_t) * (o_t + 1)",
    ),
    (
        "h_t += W x_t",
        "the left side must be one name",
        "no += here: write h[t] = h[t-1] + W x_t",
        "h[t] = h[t-1] + W x_t",
        "h_t = h_{t-1} + W x_t",
    ),
    (
        "h_t = tanh(h_{t-1} + a x_t)\nh_t = o_t * h_t",
        "h is defined twice",
        "give that value a name of its own, b[t] = tanh(h[t-1] + a x[t]), and write h[t] = o[t] * b[t]",
        "b[t] = tanh(h[t-1] + a x[t])\nh[t] = o[t] * b[t]",
        "b_t = tanh(h_{t-1} + a x_t)\nh_t = o_t * b_t",
    ),
    (
        "h_t = tanh(W [h_{t-1}; x_t] + W x_t)",
        "no sizes fit",
        "a name that stands nowhere else",
        "h_t = tanh(W [h_{t-1}; x_t] + V x_t)",
        "h[t] = tanh(W [h[t-1]; x[t]] + V x[t])",
    ),
    (
        r"h_t \sim \mathcal{N}(W h_{t-1}, \Sigma)",
        r"\sim draws a sample",
        "write h[t] = W h[t-1] + S e[t], with the noise e[t] as an input",
        "h[t] = W h[t-1] + S e[t]",
        "h_t = W @ h_{t-1} + S @ e_t",
    ),
]


@pytest.mark.parametrize(("text", "message", "hint", "followed", "wanted"), SLIPS, ids=[slip[0] for slip in SLIPS])
def test_a_hint_followed_to_the_letter_gives_what_was_wanted(text, message, hint, followed, wanted):
    with pytest.raises(bg.BPTTError) as refused:
        bg.recurrence(text).unroll(3)
    assert message in refused.value.message
    assert hint in refused.value.hint
    assert bg.recurrence(followed).reading == bg.recurrence(wanted).reading


def test_the_caret_of_two_clashing_brackets_is_at_the_one_that_closes():
    text = r"h_t = \frac{h_{t-1}}{1 + \tanh(x_t}"
    with pytest.raises(bg.BPTTError) as refused:
        bg.recurrence(text)
    assert refused.value.span.column == len(text) - 1


def test_given_noise_is_no_sample_of_a_state():
    rec = bg.recurrence("h_t = W h_{t-1} + w_t\nw_t \\sim N(0, Q)")
    assert rec.inputs == ("w",)
    assert [note.partition(": ")[0] for note in map(str, rec.notes)] == ["line 2"]


def test_no_best_place_is_chosen():
    with pytest.raises(bg.BPTTError, match=r"\\arg\\max and \\arg\\min choose a place"):
        bg.recurrence("y_t = \\arg\\max_k (V h_t)_k\nh_t = \\tanh(W h_{t-1} + U y_{t-1})")


@pytest.mark.parametrize(
    "words", ["Here * is not a convolution.\n{}", "{} where * denotes the convolution", "No convolution is used. {}"]
)
def test_a_convolution_that_no_equation_uses_is_only_a_word(words):
    found = bg.recurrence(words.format("h_t = tanh(W h_{t-1} + U x_t)"))
    assert found.reading == bg.recurrence(WANTED).reading


@pytest.mark.parametrize("words", ["Here * is the convolution.\n{}", "{} where * denotes the convolution"])
def test_a_convolution_in_an_equation_is_refused(words):
    with pytest.raises(bg.BPTTError, match="the text speaks of a convolution"):
        bg.recurrence(words.format("h_t = tanh(W * h_{t-1} + U * x_t)"))


def test_one_function_with_two_values_is_suspected():
    both = bg.recurrence("h_t = F(x_t, h_{t-1}, c_{t-1})\nc_t = F(x_t, h_{t-1}, c_{t-1})")
    assert any("h and c are both F(…) of the same values" in str(note) for note in both.notes)
    apart = bg.recurrence("h_t = F(x_t, h_{t-1}, c_{t-1})\nc_t = G(x_t, h_{t-1}, c_{t-1})")
    assert not any("same values" in str(note) for note in apart.notes)


class TestLet:
    text = r"h_t = φ(W h_{t-1} + U x_t)"

    def test_a_formula_without_its_letters_gets_them(self):
        with pytest.raises(bg.BPTTError) as refused:
            bg.recurrence(self.text, let={"φ": "max(0, z)"})
        assert refused.value.hint == 'write let={"φ(z)": "max(0, z)"}'
        followed = bg.recurrence(self.text, let={"φ(z)": "max(0, z)"})
        assert followed.reading == bg.recurrence("h_t = max(0, W h_{t-1} + U x_t)").reading

    def test_a_formula_uses_its_argument(self):
        with pytest.raises(bg.BPTTError, match=r"φ\(a\) does not use a") as refused:
            bg.recurrence(self.text, let={"φ(a)": "max(0, z)"})
        assert "φ(z) = …" in refused.value.hint
