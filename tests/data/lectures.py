"""The displayed formulas of the five lecture texts, copied as they stand, and what the recurrences among them say."""

from __future__ import annotations

# Formula as displayed -> the equation in plain text with every bracket written.
RECURRENCES: dict[str, str] = {
    # Lecture 000
    r"$$\mathbf{y}_t = \phi \left(\mathbf{W}_x \mathbf{x}_t + \mathbf{W}_h \mathbf{h}_{t-1} + \mathbf{b} \right)$$": (
        "y[t] = φ((((W_x x[t]) + (W_h h[t-1])) + b))"
    ),
    r"$$J(y_2, y_3)$$": "J = J(y[2], y[3])",
    # Lecture 001
    r"$$y^t = f(x^t, a^{t-1})$$": "y[t] = f(x[t], a[t-1])",
    r"$$a^{< t>} = g_1(W_{aa}a^{< t-1>} + W_{ax}x^{< t>} + b_a)$$": "a[t] = g_1((((W_aa a[t-1]) + (W_ax x[t])) + b_a))",
    r"$$y^{< t>} = g_2(W_{ya}a^{< t>} + b_y)$$": "y[t] = g_2(((W_ya a[t]) + b_y))",
    # Lecture 002
    r"$$h_t = f_1(x_t, h_{t-1}; w_h, w_x)$$": "h[t] = f_1(x[t], h[t-1]; w_h, w_x)",
    r"$$y_t = f_2(x_t, h_{t-1}; w_y)$$": "y[t] = f_2(x[t], h[t-1]; w_y)",
    r"$$f_1 = \tanh(\cdot; w_h, w_x) \Rightarrow h_t = \tanh(W_{xh} x_t + W_{hh} h_{t-1})$$": (
        "h[t] = tanh(((W_xh x[t]) + (W_hh h[t-1])))"
    ),
    r"$$f_2 = \text{softmax}(\cdot; w_y, b_y) \Rightarrow \underline{y_t = \text{softmax}(W_{yh} h_t + b_y)}$$": (
        "y[t] = softmax(((W_yh h[t]) + b_y))"
    ),
    r"$$E = E_1 + E_2 + E_3 \quad (1)$$": "E = ((E[1] + E[2]) + E[3])",
    r"$$E_t = E(y_t, \hat{y}_t) \quad (2)$$": "E[t] = E(y[t], ŷ[t])",
    r"$$y_t = \text{softmax}(W_y h_t + b_y) \quad (3)$$": "y[t] = softmax(((W_y h[t]) + b_y))",
    r"$$h_t = \tanh(W_h h_{t-1} + W_x x_t) \quad (4)$$": "h[t] = tanh(((W_h h[t-1]) + (W_x x[t])))",
    r"$$h_3 = f(x_3, h_2, W_h, W_x)$$": "h[3] = f(x[3], h[2], W_h, W_x)",
    r"$$h_2 = f(x_2, h_1, W_h, W_x)$$": "h[2] = f(x[2], h[1], W_h, W_x)",
    r"$$h_1 = f(x_1, h_0, W_h, W_x)$$": "h[1] = f(x[1], h[0], W_h, W_x)",
    r"$$z = \sigma(WX + b) \in [0, 1]^{m \times n}$$": "z = sigmoid(((W X) + b))",
    r"$C' = C \cdot z$": "C' = (C z)",
    # Lecture 004
    r"$$h_t = \sigma(W_1 x_t + W_2 h_{t-1})$$": "h[t] = sigmoid(((W_1 x[t]) + (W_2 h[t-1])))",
    r"$$x_{t+1} = \rho(W_3 h_t)$$": "x[t+1] = ρ((W_3 h[t]))",
    r"$$g_t = \sigma(W_1 x_t + W_2 h_{t-1})$$": "g[t] = sigmoid(((W_1 x[t]) + (W_2 h[t-1])))",
    r"$$i_t = \sigma(W_3 x_t + W_4 h_{t-1})$$": "i[t] = sigmoid(((W_3 x[t]) + (W_4 h[t-1])))",
    r"$$o_t = \sigma(W_5 x_t + W_6 h_{t-1})$$": "o[t] = sigmoid(((W_5 x[t]) + (W_6 h[t-1])))",
}

# Displayed, but not recurrences: probability statements, chain rules, prose.
OTHERS: list[str] = [
    r"$$\max_{w_h, w_y} p(x_1, x_2, x_3, \dots, x_t) \quad (\text{likelihood})$$",
    r"""$$p(\text{"hello"}) \uparrow$$""",
    r"""$$p(\text{"htktt"}) \downarrow$$""",
    r"$$p(x_1, x_2, \dots, x_t) = \prod_{i=1}^t p(x_i | x_{i-1}, \dots, x_1)$$",
    r"$$y_t = p(x_t | h_{t-1}) \approx p(x_t | x_{t-1}, \dots, x_1)$$",
    r"$$\frac{\partial E}{\partial w_y}$$",
    r"$$\frac{\partial E}{\partial w_y} \stackrel{(1)}{=} \sum_t \frac{\partial E_t}{\partial w_y} \quad "
    r"\frac{\partial E_t}{\partial y_t} \quad \frac{\partial y_t}{\partial w_y}$$",
    r"$$\frac{\partial E}{\partial w_x}$$",
    r"$$\frac{\partial E}{\partial w_x} = \sum_t \frac{\partial E_t}{\partial w_x} \quad "
    r"\frac{\partial E_t}{\partial y_t} \quad \frac{\partial y_t}{\partial h_t} "
    r"\quad \frac{\partial h_t}{\partial w_x}$$",
    r"$$\Rightarrow \frac{\partial h_3}{\partial w_x} = \frac{\partial h_3}{\partial w_x} + "
    r"\frac{\partial h_3}{\partial h_2} \frac{\partial h_2}{\partial w_x} + "
    r"\frac{\partial h_3}{\partial h_2} \frac{\partial h_2}{\partial h_1} \frac{\partial h_1}{\partial w_x}$$",
    r"$$\frac{\partial E}{\partial w_h} \text{ similar}$$",
]
