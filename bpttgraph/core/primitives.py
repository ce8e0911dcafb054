"""The rule table: one entry an operation, with its value, its derivative, its shape and how it prints.

Each entry states its derivative **once**, in the form that fits its kind:

* **elementwise**: the partial derivative by each argument, written with the output `y` and the inputs (`1 - y²` for
  tanh);
* **linear**: the transpose of the operation (broadcasting and summing are each other's transpose);
* **bilinear** (`W @ h`, outer product): the transpose in each argument with the other held fixed;
* **own**: the tangent, the effect of a small change `t` of one argument, written with the kinds above (softmax: `y∘t −
  y(yᵀt)`).

From that one statement `autodiff` builds the VJP (reverse mode), the JVP (forward mode) and, read as a matrix, the
local Jacobian that the derivations print. Rules are written with primitives, so a derivative is again a graph.

Values work on arrays whose *last* axes are the shape of one example, with any number of axes in front (a batch, or a
stack of seeds), and on complex numbers wherever the function is analytic (the complex-step check needs that; kinks
decide by the real part).

The entries stand in files by what they are about: `algebra` (sums, copies, products), `pointwise` (entry by entry),
`vectors` (softmax, norms, losses), `abstract` (known by name only), `activations` (more of the literature) and
`arrays` (what NumPy code uses beyond); `entering` enters them, by kind.
"""

from __future__ import annotations

from . import activations as activations, arrays as arrays
from .abstract import (
    abstract_function as abstract_function,
)
from .algebra import (
    PRODUCTS as PRODUCTS,
    add as add,
    batch_copy as batch_copy,
    batch_outer as batch_outer,
    batch_sum as batch_sum,
    concat as concat,
    diag as diag,
    diagonal as diagonal,
    dot as dot,
    expand as expand,
    identity as identity,
    kept as kept,
    last as last,
    matmat as matmat,
    matmul as matmul,
    matvec as matvec,
    mean as mean,
    mul as mul,
    neg as neg,
    outer as outer,
    pad as pad,
    reshape as reshape,
    sub as sub,
    sum_to as sum_to,
    take as take,
    total as total,
    transpose as transpose,
    transposed as transposed,
    vecmat as vecmat,
)
from .entering import (
    bilinear as bilinear,
    elementwise as elementwise,
    linear as linear,
    own as own,
)
from .pointwise import (
    above as above,
    absolute as absolute,
    clip as clip,
    cos as cos,
    div as div,
    elu as elu,
    erf as erf,
    exp as exp,
    gelu as gelu,
    gelu_tanh as gelu_tanh,
    leaky_relu as leaky_relu,
    log as log,
    maximum as maximum,
    minimum as minimum,
    normal_cdf as normal_cdf,
    pow_ as pow_,
    power as power,
    power_ as power_,
    ratio as ratio,
    relu as relu,
    sigmoid as sigmoid,
    sign as sign,
    silu as silu,
    sin as sin,
    softplus as softplus,
    sqrt as sqrt,
    square as square,
    step as step,
    tanh as tanh,
    ylog as ylog,
)
from .primitive import TABLE as TABLE, Primitive as Primitive, Shape as Shape
from .vectors import (
    cross_entropy as cross_entropy,
    largest as largest,
    log_softmax as log_softmax,
    logsumexp as logsumexp,
    norm as norm,
    softmax as softmax,
    squared_error as squared_error,
    top_mask as top_mask,
)
