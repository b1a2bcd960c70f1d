"""What stands round a picture that carries its schedule: its code, its run."""

import dataclasses
import html
import math

import ipywidgets as widgets

from d2l_ext.background import Run
from d2l_ext.boundary import boundary_panels
from d2l_ext.fields import button
from d2l_ext.panels import recorded_panels
from d2l_ext.rosetta import LIBRARIES, code
from d2l_ext.schedulers import MultiFactorScheduler
from d2l_ext.stage import Stage
from d2l_ext.training import History

NOTHING, TEXT, STEPS = 'nothing', 'settings as a text', 'its steps, closely'
CODE = {f'code for {library}': library for library in LIBRARIES}
TRAINED = 'trained now'


class Workbench:
    """What a reader may open below the picture; nothing is computed while it is closed.

    `share()` gives the settings as a text; `restore(text)` takes one that was typed.
    """

    def __init__(self, share, restore):
        self._share, self._restore = share, restore
        self._plan = None
        self._choice = widgets.Dropdown(
            options=[NOTHING, TEXT],
            description='also show',
            style={'description_width': '70px'},
            layout=widgets.Layout(width='280px'),
        )
        self._text = widgets.Text(
            description='settings',
            continuous_update=False,
            style={'description_width': '70px'},
            layout=widgets.Layout(width='700px'),
        )
        self._code, self._steps = widgets.HTML(), Stage(columns=2)
        self._opened = widgets.VBox()
        self.view = widgets.VBox([self._choice, self._opened])
        self._choice.observe(lambda _: self._open(), 'value')
        self._text.observe(lambda change: self._typed(change['new']), 'value')

    def show(self, plan):
        """Bring what is open up to date with `plan`, a `Plan` or None."""
        self._plan = plan
        options = NOTHING, TEXT, *(CODE if plan else ())
        steps = plan and isinstance(plan.scheduler, MultiFactorScheduler)
        if steps and plan.scheduler.step:
            options = *options, STEPS
        if options != self._choice.options:
            opened = self._choice.value
            self._choice.options = options
            self._choice.value = opened if opened in options else NOTHING
        self._fill()

    def _open(self):
        shown = {NOTHING: (), TEXT: (self._text,), STEPS: (self._steps.view,)}
        self._opened.children = shown.get(self._choice.value, (self._code,))
        self._fill()

    def _fill(self):
        if self._choice.value == TEXT:
            self._text.value = self._share()
        elif self._choice.value == STEPS:
            scheduler = self._plan.scheduler
            # a step between two counts is seen at the next one
            times = map(math.ceil, scheduler.step[:3])
            pairs = [boundary_panels(scheduler, at) for at in times]
            self._steps.show(*(panel for pair in pairs for panel in pair))
        elif self._choice.value in CODE:
            text = self._coded(CODE[self._choice.value])
            self._code.value = (
                f'<pre tabindex="0" role="region" aria-label="{self._choice.value}" '
                f'style="line-height:1.3;overflow-x:auto">{html.escape(text)}</pre>'
            )

    def _coded(self, library):
        try:
            return code(self._plan.scheduler, library, *self._plan[1:])
        except (TypeError, ValueError) as error:
            return f'# {error}'

    def _typed(self, text):
        if text != self._share():
            self._restore(text)


class Training:
    """A row of widgets that trains what is shown, and the curves that come of it.

    `steps(recipe, seed, queue=4)` yields the growing `History`, as a backend's
    `run_steps` does; `asked()` returns the recipe and its settings in words when the
    reader presses the button; `changed()` is called when there is something to draw.
    """

    def __init__(self, steps, asked, changed):
        self._steps, self._asked, self._changed = steps, asked, changed
        self._settings = self.sentence = ''
        self._shown = None
        self.run = Run(self._begin, self._show, held='Stopped.')
        self._seed = widgets.BoundedIntText(
            10,
            min=0,
            max=9999,
            description='seed',
            style={'description_width': '40px'},
            layout=widgets.Layout(width='130px'),
        )
        self._bar = widgets.IntProgress(0, min=0, max=1, description='progress')
        buttons = [
            button('Train this now', 'Train with the schedule shown', self.train),
            button('Stop', 'End the training where it is', self.stop),
        ]
        self.view = widgets.HBox([*buttons, self._seed, self._bar])

    def train(self):
        """Begin to train what is shown."""
        self._act(self.run.restart)

    def stop(self):
        """End the run; its curve stays."""
        self._act(self.run.stop)

    def added(self, panels, plan):
        """Return the panels with the curves of the run, if one was begun.

        Where no panel has the axes for a curve, it gets one of its own. `plan`: the
        `Plan` shown, if any.
        """
        history, panels = self.run.history, [*panels]
        if not history.lr:
            return panels
        epochs = plan.num_epochs if plan else history.recipe.get('num_epochs', 1)
        # a copy: a slider's handler may draw while the run adds to the lists
        losses, accuracies = [*history.train_loss], [*history.test_acc]
        done = History(train_loss=losses, test_acc=accuracies[: len(losses)])
        for curve in recorded_panels({TRAINED: [done]}, epochs):
            for i, panel in enumerate(panels):
                if (panel.xlabel, panel.ylabel) == (curve.xlabel, curve.ylabel):
                    thin = tuple(panel.lines) if panel.thin is True else panel.thin
                    lines = {**panel.lines, **curve.lines}
                    panels[i] = dataclasses.replace(panel, lines=lines, thin=thin)
                    break
            else:
                panels.append(dataclasses.replace(curve, thin=False))
        return panels

    def _act(self, action):
        try:
            action()
        except RuntimeError as error:
            self._say(f'{error}.')

    def _begin(self):
        recipe, self._settings = self._asked()
        return self._steps(recipe, self._seed.value, queue=4)

    def _show(self, message):
        history = self.run.history
        batches = history.recipe.get('batches_per_epoch', 1)
        self._bar.max = max(1, batches * history.recipe.get('num_epochs', 1))
        self._bar.value = len(history.lr)
        # not oftener than it has news: a screen reader speaks each time
        news = message, len(history.train_loss), self._settings
        if news != self._shown:
            self._shown = news
            self._say(f'{message} With {self._settings}: {history}.')

    def _say(self, sentence):
        self.sentence = sentence
        self._changed()
