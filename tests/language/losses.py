"""Losses as people write them, each with its meaning in plain language: sums and means over the steps, sums over the
classes, masks, the last step only, running sums of programs.

`cases()` gives every form below every recurrence that fits it, with its meaning. The meanings are written by hand and
share nothing with the reader; all names but that of the loss are the same in both.
"""

from __future__ import annotations

from collections.abc import Iterator

ELMAN = "h[t] = tanh(W @ h[t-1] + U @ x[t])"
SOFTMAX, LINEAR = ELMAN + "\nŷ[t] = softmax(V @ h[t] + c)", ELMAN + "\nŷ[t] = V @ h[t] + c"

LATEX = {
    SOFTMAX: (
        r"h_t = \tanh(W h_{t-1} + U x_t) \\ \hat y_t = \mathrm{softmax}(V h_t + c) \\ ",
        "$$h_t = \\tanh(W h_{t-1} + U x_t)$$\n$$\\hat{y}_t = \\operatorname{softmax}(V h_t + c)$$\n$$",
        "\\begin{aligned} h_t &= \\tanh(W h_{t-1} + U x_t), \\\\ \\hat{y}_t &= \\text{softmax}(V h_t + c), \\\\ ",
    ),
    LINEAR: (
        r"h_t = \tanh(W h_{t-1} + U x_t) \\ \hat y_t = V h_t + c \\ ",
        "$$h_t = \\tanh(W h_{t-1} + U x_t)$$\n$$\\hat{y}_t = V h_t + c$$\n$$",
        "\\begin{aligned} h_t &= \\tanh(W h_{t-1} + U x_t), \\\\ \\hat{y}_t &= V h_t + c, \\\\ ",
    ),
}
UNICODE = {
    SOFTMAX: ("hₜ = tanh(W hₜ₋₁ + U xₜ)\nŷₜ = softmax(V hₜ + c)\n",),
    LINEAR: ("hₜ = tanh(W hₜ₋₁ + U xₜ)\nŷₜ = V hₜ + c\n",),
}
LOOP = "loss = 0\nfor t in range(T):\n    h[t] = np.tanh(W @ h[t-1] + U @ x[t])\n    "
CODE = {
    SOFTMAX: (LOOP + "ŷ[t] = softmax(V @ h[t] + c)\n    ",),
    LINEAR: (LOOP + "ŷ[t] = V @ h[t] + c\n    ",),
}

ENTROPY = "(-dot(y[t], log(ŷ[t])))"
SQUARES = "norm(y[t] - ŷ[t])^2"
FORMS: list[tuple[dict[str, tuple[str, ...]], str, str, tuple[str, ...]]] = [
    # where it stands, the recurrence, the meaning, and how it is written
    (LATEX, SOFTMAX, f"L = sum_t {ENTROPY}", (
        r"\mathcal L = -\sum_t \sum_i y_{t,i} \log \hat y_{t,i}",
        r"L = -\sum_{t=1}^{T} \sum_{i=1}^{C} y_{ti} \log \hat y_{ti}",
        r"\mathcal{L}(\theta) = -\sum_{t=1}^{T} \sum_{k=1}^{K} y_{t,k} \log(\hat{y}_{t,k})",
        r"L = -\sum_{t} y_t^\top \log \hat y_t",
        r"L = - \sum_{t=1}^T y_t \cdot \log \hat{y}_t",
        r"L = \sum_{t=1}^T L_t, \quad L_t = -\sum_i y_{t,i} \log \hat{y}_{t,i}",
        r"L_t = -\sum_{i} y_{t,i} \log \hat{y}_{t,i} \\ L = \sum_t L_t",
        r"J = -\sum_{t=1}^{T}\sum_{j=1}^{|V|} y_{t,j} \log \hat y_{t,j}",
        r"\ell_t = - y_t^T \log \hat y_t \\ \mathcal{L} = \sum_{t=1}^{T} \ell_t",
        r"E_t = -y_t^{\top} \log \hat{y}_t",
        r"L = \sum_t \mathrm{CE}(\hat y_t, y_t)",
        r"L = \sum_{t=1}^{T} \text{CrossEntropy}(\hat{y}_t, y_t)",
    )),
    (LATEX, SOFTMAX, f"L = 1/3 * sum_t {ENTROPY}", (
        r"L = -\frac{1}{T} \sum_{t=1}^{T} \sum_{k=1}^K y_{t,k} \log(\hat y_{t,k})",
        r"L = \frac1T \sum_t L_t \\ L_t = -y_t^T \log \hat y_t",
        r"E = \frac1T\sum_{t} E_t, \quad E_t = -\sum_i y_{t,i}\log\hat y_{t,i}",
        r"\mathcal{L} = -\frac{1}{T}\sum_{t=1}^T y_t^\top \log \hat{y}_t",
        r"L = \frac{1}{T} \sum_{t=1}^{T} \ell_t, \quad \ell_t = - \sum_{j} y_{t,j} \log \hat y_{t,j}",
    )),
    (LATEX, SOFTMAX, "L = -dot(y[T], log(ŷ[T]))", (
        r"L = -\sum_i y_{T,i} \log \hat y_{T,i}",
        r"L = - y_T^\top \log \hat y_T",
        r"L_t = -\sum_i y_{t,i} \log \hat y_{t,i} \\ L = L_T",
        r"\mathcal{L} = -\sum_{k=1}^{K} y_{T,k} \log \hat{y}_{T,k}",
    )),
    (LATEX, SOFTMAX, f"L = sum_t m[t] * {ENTROPY}", (
        r"L = -\sum_t m_t \sum_i y_{t,i} \log \hat y_{t,i}",
        r"L_t = -\sum_i y_{t,i} \log \hat y_{t,i} \\ L = \sum_t m_t L_t",
        r"L = -\sum_{t=1}^T m_t \, y_t^\top \log \hat y_t",
    )),
    (LATEX, SOFTMAX, f"L = (sum_t m[t] * {ENTROPY}) / (sum_t m[t])", (
        r"L_t = -\sum_i y_{t,i} \log \hat y_{t,i} \\ L = \frac{\sum_t m_t L_t}{\sum_t m_t}",
        r"\ell_t = -y_t^\top \log \hat y_t \\ L = \frac{\sum_{t=1}^T m_t \ell_t}{\sum_{t=1}^T m_t}",
    )),
    (LATEX, LINEAR, f"L = 1/2 * sum_t {SQUARES}", (
        r"L = \frac{1}{2}\sum_t \| y_t - \hat y_t \|^2",
        r"L = \frac12 \sum_{t=1}^T \lVert \hat{y}_t - y_t \rVert_2^2",
        r"L = \frac{1}{2}\sum_t\sum_i (\hat y_{t,i} - y_{t,i})^2",
        r"E = \sum_{t=1}^{T} E_t, \quad E_t = \frac12 (y_t - \hat y_t)^T (y_t - \hat y_t)",
        r"L = \sum_{t=1}^T \frac{1}{2} (y_t - \hat{y}_t)^2",
        r"E_t = \tfrac12 \sum_k (y_{t,k} - \hat y_{t,k})^2 \\ E = \sum_t E_t",
    )),
    (LATEX, LINEAR, f"L = 1/3 * sum_t {SQUARES}", (
        r"L = \frac{1}{T} \sum_{t=1}^T (y_t - \hat y_t)^2",
        r"\mathcal{L} = \frac{1}{T}\sum_{t=1}^{T} \left\| y_t - \hat{y}_t \right\|^2",
        r"L = \frac{1}{T} \sum_t \sum_i \left(y_{t,i} - \hat y_{t,i}\right)^2",
    )),
    (LATEX, LINEAR, "L = norm(y[T] - ŷ[T])^2", (
        r"L = \|\hat y_T - y_T\|^2",
        r"L = (y_T - \hat y_T)^2",
        r"L_t = \|\hat y_t - y_t\|_2^2 \\ L = L_T",
        r"L = \sum_i (y_{T,i} - \hat y_{T,i})^2",
    )),
    (LATEX, LINEAR, f"L = (sum_t {SQUARES}) + λ * norm(W)^2", (
        r"L = \sum_t \|y_t - \hat y_t\|^2 + \lambda \|W\|^2",
        r"L = \sum_{t=1}^T \|y_t - \hat y_t\|^2 + \lambda \|W\|_F^2",
    )),
    (UNICODE, SOFTMAX, f"L = sum_t {ENTROPY}", (
        "L = −∑ₜ yₜᵀ log ŷₜ",
        "ℒ = −∑ₜ yₜᵀ log(ŷₜ)",
        "Lₜ = −yₜᵀ log ŷₜ\nL = ∑ₜ Lₜ",
        "L = −Σₜ Σᵢ yₜᵢ log ŷₜᵢ",
    )),
    (UNICODE, LINEAR, f"L = 1/2 * sum_t {SQUARES}", (
        "L = ½ ∑ₜ ‖yₜ − ŷₜ‖²",
        "Eₜ = ½‖yₜ − ŷₜ‖²\nE = ∑ₜ Eₜ",
        "L = 1/2 sum_t (y_t - ŷ_t)^2",
    )),
    (CODE, SOFTMAX, f"L = sum_t {ENTROPY}", (
        "loss += -np.sum(y[t] * np.log(ŷ[t]))",
        "loss -= np.sum(y[t] * np.log(ŷ[t]))",
        "loss = loss - np.sum(y[t] * np.log(ŷ[t]))",
        "loss += -y[t] @ np.log(ŷ[t])",
        "loss += -np.dot(y[t], np.log(ŷ[t]))",
        "loss += cross_entropy(ŷ[t], y[t])",
    )),
    (CODE, SOFTMAX, f"L = sum_t m[t] * {ENTROPY}", (
        "loss += -m[t] * np.sum(y[t] * np.log(ŷ[t]))",
        "loss += m[t] * -np.sum(y[t] * np.log(ŷ[t]))",
    )),
    (CODE, LINEAR, f"L = 1/2 * sum_t {SQUARES}", (
        "loss += 0.5 * np.sum((y[t] - ŷ[t])**2)",
        "loss = loss + 0.5 * np.sum((y[t] - ŷ[t]) ** 2)",
        "loss += np.sum((y[t] - ŷ[t])**2) / 2",
        "loss += 0.5 * np.linalg.norm(y[t] - ŷ[t])**2",
        "loss += 0.5*((y[t] - ŷ[t])**2).sum()",
    )),
]  # fmt: skip


def cases() -> Iterator[tuple[str, str]]:
    """Every form below every recurrence that it fits."""
    for places, recurrence, means, forms in FORMS:
        for before in places[recurrence]:
            after = " \\end{aligned}" if "aligned" in before else "$$" if "$$" in before else ""
            for form in forms:
                aligned = "aligned" in before
                loss = " \\\\ ".join(part.replace(" =", " &=", 1) for part in form.split(" \\\\ ")) if aligned else form
                loss = loss.replace(r" \\ ", "$$\n$$") if "$$" in before else loss
                yield f"{before}{loss}{after}", f"{recurrence}\n{means}"
