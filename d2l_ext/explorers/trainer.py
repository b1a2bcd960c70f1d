"""A row of widgets that trains what is shown."""

from collections.abc import Callable, Iterator

import ipywidgets as widgets

from d2l_ext.explorers.beside import with_run
from d2l_ext.explorers.controls import Slider
from d2l_ext.explorers.inputs import NumberBox, button, row
from d2l_ext.explorers.tasks import TrainingTask
from d2l_ext.panels.panel import Panel
from d2l_ext.plan import Plan
from d2l_ext.training.history import History
from d2l_ext.training.recipe import Recipe


class Trainer:
    """A row of widgets that trains what is shown, and the curves that come of it.

    `steps(recipe, seed, queue=4)` yields the growing `History`, as a backend's
    `run_steps` does; `asked()` returns the recipe and its settings in words when the
    reader presses the button; `changed()` is called when there is something to draw.
    `task` is the `TrainingTask`, `sentence` says how it goes.
    """

    def __init__(
        self,
        steps: Callable[..., Iterator[History]],
        asked: Callable[[], tuple[Recipe, str]],
        changed: Callable[[], None],
    ) -> None:
        self._steps, self._asked, self._changed = steps, asked, changed
        self._settings = self.sentence = ''
        self._shown: tuple | None = None
        self.task = TrainingTask(self._begin, self._show, held='Stopped.')
        self._seed = NumberBox(
            Slider(10, 0, 9999),
            10,
            description='seed',
            style={'description_width': '40px'},
            layout=widgets.Layout(width='130px'),
        )
        self._seed.observe(lambda change: self._say(change['new']), 'sentence')
        self._bar = widgets.HTML(_progress(0, 1), description='progress')
        buttons = [
            button('Train this now', 'Train with the schedule shown', self.train),
            button('Stop', 'End the training where it is', self.stop),
        ]
        self.view = row([*buttons, self._seed, self._bar])

    def train(self) -> None:
        """Begin to train what is shown."""
        self._act(self.task.restart)

    def stop(self) -> None:
        """End the run; its curve stays."""
        self._act(self.task.stop)

    def extend(
        self, panels: list[Panel], plan: Plan | None
    ) -> tuple[list[Panel], list[str]]:
        """Return the panels with the curves of the run, and what is to be said of it."""
        return with_run(panels, plan, self.task.history), [self.sentence]

    def _act(self, action: Callable[[], None]) -> None:
        try:
            action()
        except RuntimeError as error:
            self._say(f'{error}.')

    def _begin(self) -> Iterator[History]:
        recipe, self._settings = self._asked()
        return self._steps(recipe, self._seed.value, queue=4)

    def _show(self, message: str) -> None:
        history = self.task.history
        batches = history.recipe.get('batches_per_epoch', 1)
        updates = batches * history.recipe.get('num_epochs', 1)
        self._bar.value = _progress(len(history.lr), max(1, updates))
        # not oftener than it has news: a screen reader speaks each time
        news = message, len(history.train_loss), self._settings
        if news != self._shown:
            self._shown = news
            self._say(f'{message} With {self._settings}: {history}.')

    def _say(self, sentence: str) -> None:
        self.sentence = sentence
        self._changed()


def _progress(done: int, total: int) -> str:
    """Return a bar that a screen reader finds, as it does not that of ipywidgets."""
    return f'<progress value="{done}" max="{total}" aria-label="progress"></progress>'
