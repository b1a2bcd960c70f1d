"""What a reader sees of a run while it lasts: curves in a notebook, lines elsewhere."""

import html
import time
from collections.abc import Callable, Generator
from typing import Any

from d2l_ext.training.history import History, Interrupted
from d2l_ext.training.messages import Answers, kernel_here

QUEUE = 4  # updates: a device is busy with that many, and a reader does not feel them


def watched(
    steps: Callable[..., Generator[History]],
    progress: bool = False,
    on_epoch: Callable | None = None,
    on_update: Callable | None = None,
) -> History:
    """Run `steps(on_epoch=..., on_update=...)` to its end, or to Ctrl-C.

    Returns the last `History`; with `progress` it is shown while it grows. In a
    notebook, widgets are answered between updates; `steps` then has a `queue` too.
    Raises KeyboardInterrupt where the run had no history yet, and so no recipe.
    """
    shown = Progress() if progress else None
    told = [callback for callback in (shown, on_epoch) if callback]
    kernel = kernel_here()
    answer = Answers(kernel)
    # where Python runs ahead of the device, it waits at the end of an epoch, and deaf
    bounded = {'queue': QUEUE} if kernel else {}
    histories = steps(
        on_epoch=lambda history: any(callback(history) for callback in told),
        on_update=on_update,
        **bounded,
    )
    last: Any = None
    try:
        for history in histories:
            last = history
            if shown:
                shown.begin(history)
            answer()
    except KeyboardInterrupt as error:
        histories.close()
        if isinstance(error, Interrupted):
            last = error.history
        if last is None:
            raise
    if shown:
        shown.close(last)
    return last


class Progress:
    """Shows a run, as a callback after each epoch: curves in a notebook, else a line.

    Drawing takes about a tenth of the run's time at most. `begin` says that it runs
    before there is anything to draw.
    """

    def __init__(self):
        self.drawn, self.cost, self.handles = 0.0, 0.0, []

    def begin(self, history: History):
        """Show in a notebook that a run goes on, which may take long to its first epoch."""
        if kernel_here() and not self.handles:
            self._show(_bar(history))

    def __call__(self, history: History):
        """Show the epoch that `history` has just got."""
        if not kernel_here():
            lr = history.lr[-1]
            print(f'{history}, lr {lr:.4g}, {_left(history)} left', flush=True)
        elif time.perf_counter() - self.drawn > 10 * self.cost:
            self._draw(history, _bar(history))

    def close(self, history: History):
        """Show the finished `history`, and why it ended early if it did."""
        if kernel_here() and history.train_loss:
            reason = REASONS.get(history.status, '')
            self._draw(history, reason and f'<p>{html.escape(reason)}</p>')
            return
        if self.handles:
            self._show('')
        if history.status in REASONS:
            print(f'{history}: {REASONS[history.status]}', flush=True)

    def _draw(self, history, text):
        from d2l_ext.panels.runs import history_panels
        from d2l_ext.plots.figure import figure

        start = time.perf_counter()
        self._show(text, figure(*history_panels(history)))
        self.drawn = time.perf_counter()
        self.cost = self.drawn - start

    def _show(self, text, *pictures):
        # only a notebook has these: a run in a terminal loads no Matplotlib
        from IPython.display import HTML, display

        for i, thing in enumerate((HTML(text), *pictures)):
            if i < len(self.handles):
                self.handles[i].update(thing)
            else:
                self.handles.append(display(thing, display_id=True))


REASONS = {
    'diverged': 'the loss is no longer finite: try a lower learning rate or warmup',
    'stopped': 'stopped before its end; the history keeps what was learned until then',
    'out of memory': 'the device ran out of memory: try a smaller batch_size',
}


def _bar(history):
    done, total = len(history.train_loss), history.recipe['num_epochs']
    said = f'{history!r}, {_left(history)} left' if done else f'Epoch 1/{total} runs'
    return (
        f'<p><progress value="{done}" max="{total}" aria-label="epochs"></progress> '
        f'{html.escape(said)}</p>'
    )


def _left(history):
    epochs = history.recipe['num_epochs'] - len(history.seconds)
    return f'{epochs * sum(history.seconds) / len(history.seconds):.0f} s'
