"""The book's printed results."""

# After 40 epochs, one unseeded run each: train loss, train acc, test acc
BOOK_RESULTS = {
    'constant': (0.197, 0.923, 0.823),
    'square root': (0.282, 0.898, 0.887),
    'multi-factor': (0.151, 0.943, 0.896),
    'cosine': (0.353, 0.873, 0.867),
    'cosine with warmup': (0.359, 0.869, 0.868),
}


def book_results() -> str:
    """Return the results that the book prints (section 11.11), as a table.

    >>> print(book_results().splitlines()[1])
    constant                  0.197      0.923     0.823
    """
    head = f'{"printed in the book":20} train loss  train acc  test acc'
    rows = [
        f'{name:20} {loss:10.3f} {train_acc:10.3f} {test_acc:9.3f}'
        for name, (loss, train_acc, test_acc) in BOOK_RESULTS.items()
    ]
    return '\n'.join([head, *rows])
