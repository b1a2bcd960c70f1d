"""What a reader sees of a run while it lasts: curves in a notebook, lines elsewhere."""

import html
import sys
import time


class Progress:
    """Shows a run, as a callback after each epoch: curves in a notebook, else a line.

    Drawing takes about a tenth of the run's time at most.
    """

    def __init__(self):
        self.drawn, self.cost, self.handles = 0.0, 0.0, ()

    def __call__(self, history):
        """Show the epoch that `history` has just got."""
        if not _in_notebook():
            lr = history.lr[-1]
            print(f'{history}, lr {lr:.4g}, {_left(history)} left', flush=True)
        elif time.perf_counter() - self.drawn > 10 * self.cost:
            self._draw(history, _bar(history))

    def close(self, history):
        """Show the finished `history`, and why it ended early if it did."""
        if _in_notebook() and history.train_loss:
            reason = REASONS.get(history.status, '')
            self._draw(history, reason and f'<p>{html.escape(reason)}</p>')
        elif history.status in REASONS:
            print(f'{history}: {REASONS[history.status]}', flush=True)

    def _draw(self, history, text):
        from IPython.display import HTML, display

        start = time.perf_counter()
        shown = HTML(text), history.plot()
        if not self.handles:
            self.handles = [display(thing, display_id=True) for thing in shown]
        else:
            for handle, thing in zip(self.handles, shown, strict=True):
                handle.update(thing)
        self.drawn = time.perf_counter()
        self.cost = self.drawn - start


REASONS = {
    'diverged': 'the loss is no longer finite: try a lower learning rate or warmup',
    'stopped': 'stopped before its end; the history keeps what was learned until then',
    'out of memory': 'the device ran out of memory: try a smaller batch_size',
}


def _bar(history):
    done, total = len(history.train_loss), history.recipe['num_epochs']
    return (
        f'<p><progress value="{done}" max="{total}" aria-label="epochs"></progress> '
        f'{html.escape(repr(history))}, {_left(history)} left</p>'
    )


def _left(history):
    epochs = history.recipe['num_epochs'] - len(history.seconds)
    return f'{epochs * sum(history.seconds) / len(history.seconds):.0f} s'


def _in_notebook():
    """Tell whether a kernel runs this, without importing IPython."""
    ipython = sys.modules.get('IPython')
    shell = ipython and ipython.get_ipython()
    return hasattr(shell, 'kernel')
