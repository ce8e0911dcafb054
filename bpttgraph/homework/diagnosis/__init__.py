"""Why a gradient is wrong: the known mistakes tried out, the triangle of pairs of steps, the place in a formula."""
