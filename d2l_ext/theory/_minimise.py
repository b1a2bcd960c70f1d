"""Minimisation with bounds: projected L-BFGS, in NumPy alone."""

import numpy as np


def minimise(objective, y, top, iterations):
    """Return y <= top from where no step leads down: a projected L-BFGS.

    What is at its bound and would rise stays there; for the rest, the last steps and
    the changes of the gradient tell the curvature.
    """
    value, gradient = objective(y)
    steps, changes = [], []
    idle = 0
    for _ in range(iterations):
        free = (y < top) | (gradient > 0)
        direction = -np.where(free, times_inverse(gradient * free, steps, changes), 0)
        if not direction @ gradient < 0:
            break
        direction *= min(1, 2 / np.abs(direction).max())  # at most e^2 times the rate
        for halvings in range(40):
            there = np.minimum(y + direction * 0.5**halvings, top)
            below, gradient_there = objective(there)
            step = there - y
            if below <= value + 1e-4 * min(gradient @ step, 0):
                break
        else:
            if not steps:
                break
            steps, changes = [], []
            continue
        change = gradient_there - gradient
        if step @ change > 1e-12 * np.sqrt((step @ step) * (change @ change)):
            steps, changes = [*steps[-29:], step], [*changes[-29:], change]
        idle = idle + 1 if value - below < 1e-11 else 0
        y, value, gradient = there, below, gradient_there
        if idle == 3:
            break
    return y


def times_inverse(vector, steps, changes):
    """Return the inverse Hessian times `vector`, where `vector` is not 0."""
    free = vector != 0
    vector = vector.copy()
    shares = []
    pairs = [(s * free, c * free) for s, c in zip(steps, changes)]
    pairs = [(s, c, s @ c) for s, c in pairs if s @ c > 1e-12 * (c @ c)]
    for s, c, product in reversed(pairs):
        shares.append(s @ vector / product)
        vector -= shares[-1] * c
    if pairs:
        s, c, product = pairs[-1]
        vector *= product / (c @ c)
    for (s, c, product), share in zip(pairs, reversed(shares)):
        vector += (share - c @ vector / product) * s
    return vector
