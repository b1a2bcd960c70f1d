"""What a reader sees of a run while it lasts: curves in a notebook, lines elsewhere."""

import html
import sys
import time
from collections.abc import Callable, Generator

from d2l_ext.training.history import History


def watched(
    steps: Callable[..., Generator[History]],
    progress: bool = False,
    on_epoch: Callable | None = None,
    on_update: Callable | None = None,
) -> History:
    """Run `steps(on_epoch=..., on_update=...)` to its end, or to Ctrl-C.

    Returns the last `History`; with `progress` it is shown while it grows.
    """
    shown = Progress() if progress else None
    told = [callback for callback in (shown, on_epoch) if callback]
    histories = steps(
        on_epoch=lambda history: any(callback(history) for callback in told),
        on_update=on_update,
    )
    last = History(status='stopped')
    try:
        for history in histories:
            last = history
    except KeyboardInterrupt:
        histories.close()
    if shown:
        shown.close(last)
    return last


class Progress:
    """Shows a run, as a callback after each epoch: curves in a notebook, else a line.

    Drawing takes about a tenth of the run's time at most.
    """

    def __init__(self):
        self.drawn, self.cost, self.handles = 0.0, 0.0, ()

    def __call__(self, history: History):
        """Show the epoch that `history` has just got."""
        if not _in_notebook():
            lr = history.lr[-1]
            print(f'{history}, lr {lr:.4g}, {_left(history)} left', flush=True)
        elif time.perf_counter() - self.drawn > 10 * self.cost:
            self._draw(history, _bar(history))

    def close(self, history: History):
        """Show the finished `history`, and why it ended early if it did."""
        if _in_notebook() and history.train_loss:
            reason = REASONS.get(history.status, '')
            self._draw(history, reason and f'<p>{html.escape(reason)}</p>')
        elif history.status in REASONS:
            print(f'{history}: {REASONS[history.status]}', flush=True)

    def _draw(self, history, text):
        # only a notebook has these: a run in a terminal loads no Matplotlib
        from IPython.display import HTML, display

        from d2l_ext.panels.runs import history_panels
        from d2l_ext.plots.figure import figure

        start = time.perf_counter()
        shown = HTML(text), figure(*history_panels(history))
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
