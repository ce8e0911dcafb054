"""A tiny engine: derivatives, and backpropagation through time, on one graph. To be read in class."""

import numpy as np


# -- 1. The node -------------------------------------------------------------------------------------------------------
class Node:
    """One value: `op` applied to earlier nodes, or a leaf (`op` is None). It is never changed."""

    made = 0
    __array_ufunc__ = None  # `array + node` is for the node to answer, not for NumPy

    def __init__(self, value, op=None, args=(), settings=None, name=""):
        Node.made += 1
        self.serial = Node.made  # higher than that of every argument
        self.op, self.args, self.settings = op, args, settings or {}  # args may repeat
        self.value, self.shape, self.name = value, np.shape(value), name

    def __repr__(self):
        return f"Node({self.value})"


def leaf(value, name=""):
    """A given number or array, copied, so that nothing outside can change it."""
    return Node(1.0 * np.array(value), name=name)


def as_node(x):
    return x if isinstance(x, Node) else leaf(x)


# -- 2. Kinds of operations --------------------------------------------------------------------------------------------
class Operation:
    """An entry of the rule table. Its kind reads the one statement of the derivative both ways: `pull` takes
    a cotangent g of y back to an argument (VJP), `push` takes a change t of an argument on to y (JVP)."""

    def __init__(self, name, value, *rules):
        self.name, self.value, self.rules = name, value, rules

    def __call__(self, *args, **settings):
        args = tuple(as_node(a) for a in args)
        return Node(self.value(*(a.value for a in args), **settings), self, args, settings)


class Elementwise(Operation):
    """Each entry alone. Stated: partial derivatives, from output y and inputs, or as a number."""

    def __call__(self, *args):
        args = tuple(as_node(a) for a in args)
        shape = np.broadcast_shapes(*(a.shape for a in args))
        return super().__call__(*(a if a.shape == shape else expand(a, shape=shape) for a in args))

    def pull(self, g, slot, y):
        rule = self.rules[slot]
        return g if rule == 1 else g * (rule(y, *y.args) if callable(rule) else rule)

    push = pull  # the Jacobian is diagonal, and a diagonal matrix is its own transpose


class Linear(Operation):
    """Linear in each argument, the others held fixed (two: bilinear). Stated: the transposes."""

    def pull(self, g, slot, y):
        return self.rules[slot](g, *y.args, **y.settings)

    def push(self, t, slot, y):  # the change of a linear map is the map of the change
        return self(*(t if i == slot else a for i, a in enumerate(y.args)), **y.settings)


# -- 3. The rule table -------------------------------------------------------------------------------------------------
add = Elementwise("add", np.add, 1, 1)
sub = Elementwise("sub", np.subtract, 1, -1)
neg = Elementwise("neg", np.negative, -1)
mul = Elementwise("mul", np.multiply, lambda y, a, b: b, lambda y, a, b: a)
div = Elementwise("div", np.divide, lambda y, a, b: 1 / b, lambda y, a, b: -y / b)
exp = Elementwise("exp", np.exp, lambda y, x: y)
log = Elementwise("log", np.log, lambda y, x: 1 / x)
sin = Elementwise("sin", np.sin, lambda y, x: cos(x))
cos = Elementwise("cos", np.cos, lambda y, x: -sin(x))
tanh = Elementwise("tanh", np.tanh, lambda y, x: 1 - y * y)


def _sum_to(x, shape=()):
    padded = (1,) * (x.ndim - len(shape)) + shape
    return np.sum(x, axis=tuple(i for i, n in enumerate(padded) if n != x.shape[i])).reshape(shape)


def _put(x, index, shape):
    result = np.zeros(shape, x.dtype)
    np.add.at(result, index, x)  # adds, because an index may name an entry twice
    return result


expand = Linear("expand", np.broadcast_to, lambda g, x, shape: sum_to(g, shape=x.shape))
sum_to = Linear("sum_to", _sum_to, lambda g, x, shape=(): expand(g, shape=x.shape))
take = Linear("take", lambda x, index: x[index], lambda g, x, index: put(g, index=index, shape=x.shape))
put = Linear("put", _put, lambda g, x, index, shape: take(g, index=index))
reshape = Linear("reshape", lambda x, shape: x.reshape(shape), lambda g, x, shape: reshape(g, shape=x.shape))
transpose = Linear("transpose", np.transpose, lambda g, x: transpose(g))
identity = Linear("identity", lambda x: x, lambda g, x: g)
product = Linear("product", np.matmul, lambda g, a, b: product(g, b.T), lambda g, a, b: product(a.T, g))


def matmul(a, b):
    """`a @ b`, where a vector is a row on the left, a column on the right, and numbers just multiply."""
    a, b = as_node(a), as_node(b)
    if not a.shape or not b.shape:
        return a * b
    if len(a.shape) == len(b.shape) == 2:
        return product(a, b)
    left = a if len(a.shape) == 2 else reshape(a, shape=(1, len(a.value)))
    right = b if len(b.shape) == 2 else reshape(b, shape=(len(b.value), 1))
    return reshape(product(left, right), shape=a.shape[:-1] + b.shape[1:])


for _name, _op in {"add": add, "sub": sub, "mul": mul, "truediv": div, "matmul": matmul}.items():
    setattr(Node, f"__{_name}__", lambda a, b, op=_op: op(a, b))  # node + anything
    setattr(Node, f"__r{_name}__", lambda a, b, op=_op: op(b, a))  # anything + node
Node.__neg__ = lambda a: neg(a)
Node.__getitem__ = lambda a, index: take(a, index=index)
Node.T = property(transpose)


# -- 4. The two passes -------------------------------------------------------------------------------------------------
def needed(*outputs):
    """All nodes that the outputs depend on, arguments before results: the order of serial numbers."""
    found, waiting = set(), list(outputs)
    while waiting:  # a list instead of recursion: no graph is too deep
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting.extend(node.args)
    return sorted(found, key=lambda node: node.serial)


def backward(output, targets, seed=1.0):
    """Reverse mode: the adjoints {node: d output / d node}, and {target: the summands of its adjoint}, one for
    each use, as (node, slot, part). `seed` is the cotangent of the output, shaped like it: 1 for a number."""
    order, on_path = needed(output), set(targets)
    for node in order:
        if any(a in on_path for a in node.args):
            on_path.add(node)
    adjoint, summands = {output: as_node(seed)}, {target: [] for target in targets}
    for node in reversed(order):
        for slot, arg in enumerate(node.args):
            if node in on_path and arg in on_path:
                part = node.op.pull(adjoint[node], slot, node)
                adjoint[arg] = adjoint[arg] + part if arg in adjoint else part
                if arg in summands:
                    summands[arg].append((node, slot, part))
    return adjoint, summands


def forward(output, changes):
    """Forward mode: the change of the output for given changes {node: change}."""
    change = {node: as_node(t) for node, t in changes.items()}
    for node in needed(output):
        parts = [node.op.push(change[a], slot, node) for slot, a in enumerate(node.args) if a in change]
        if parts and node not in changes:
            change[node] = sum(parts[1:], parts[0])
    return change.get(output) or leaf(np.zeros(output.shape))


def listing(*outputs):
    """The graph as a program, one node a line."""
    called, lines = {}, []
    for node in needed(*outputs):
        called[node] = node.name or (f"v{len(lines) + 1}" if node.op else f"{node.value}")
        if node.op:
            words = [called[a] for a in node.args] + [f"{key}={value}" for key, value in node.settings.items()]
            lines.append(f"{called[node]} = {node.op.name}({', '.join(words)})")
    return "\n".join(lines)


# -- 5. Functions of functions -----------------------------------------------------------------------------------------
def grad(f, slot=0):
    """The derivative, by one argument, of a function that gives one number: again such a function."""

    def derivative(*args):
        x = identity(args[slot])  # a node of our own: others may differentiate by args[slot]
        y = as_node(f(*args[:slot], x, *args[slot + 1 :]))
        return backward(y, [x])[0].get(x) or leaf(np.zeros(x.shape))

    return derivative


def jvp(f, x, t):
    """f(x), and its change for the change t of x."""
    x = identity(x)
    y = as_node(f(x))
    return y, forward(y, {x: t})


def hessian(f, x):
    """All second derivatives: forward over the graph of the backward pass, for each entry of x."""
    x = identity(x)
    slope = grad(f)(x)
    rows = [forward(slope, {x: t.reshape(x.shape)}).value for t in np.eye(x.value.size)]
    return np.reshape(rows, x.shape + x.shape)


# -- 6. A recurrence over T steps --------------------------------------------------------------------------------------
class Unrolled:
    """`step(h, x, target, **parameters)` gives the next state and a loss. A parameter is one node."""

    def __init__(self, step, h, xs, targets, parameters):
        self.parameters = {name: leaf(value, name) for name, value in parameters.items()}
        self.states, self.losses, self.starts = [leaf(h, "h[0]")], [], []
        for x, target in zip(xs, targets):
            self.starts.append(Node.made + 1)  # serial numbers tell the time
            h, loss = step(self.states[-1], x, target, **self.parameters)
            self.states.append(h)
            self.losses.append(loss)

    def uses(self, name):
        """The numbered uses of a parameter: {(node, slot): (number, step)}."""
        W, nodes = self.parameters[name], needed(*self.losses)
        found = [(n, i) for n in nodes for i, arg in enumerate(n.args) if arg is W]
        steps = np.searchsorted(self.starts, [n.serial for n, _ in found], side="right")
        return {use: (number, int(k)) for number, (use, k) in enumerate(zip(found, steps), 1)}

    def contributions(self, name, at=None):
        """[t-1, k-1] is the part of dE_t/dW through uses at step k; of the losses `at`, or of all."""
        W, T, uses = self.parameters[name], len(self.losses), self.uses(name)
        triangle = np.zeros((T, T, *W.shape))
        for t in range(1, T + 1) if at is None else at:
            for node, slot, part in backward(self.losses[t - 1], [W])[1][W]:
                triangle[t - 1, uses[node, slot][1] - 1] += part.value
        return triangle


def softmax(z):
    return exp(z) / sum_to(exp(z))


def rnn(h, x, target, W_hh, W_xh, b_h, W_hy, b_y):
    """One step as the lecture writes it; the target is the number of a class."""
    h = tanh(W_hh @ h + W_xh @ x + b_h)
    y = softmax(W_hy @ h + b_y)
    return h, -log(y[target])


if __name__ == "__main__":
    random = np.random.default_rng(0)
    shapes = {"W_hh": (3, 3), "W_xh": (3, 2), "b_h": 3, "W_hy": (4, 3), "b_y": 4}
    parameters = {name: random.normal(size=shape) for name, shape in shapes.items()}
    u = Unrolled(rnn, random.normal(size=3), random.normal(size=(5, 2)), [0, 3, 1, 2, 1], parameters)
    np.set_printoptions(precision=4, suppress=True)
    print("Norms of the parts of dE/dW_hh. Row t: the loss E_t. Column k: the use of W_hh at step k.")
    print(np.linalg.norm(u.contributions("W_hh"), axis=(2, 3)))
