"""Stand-in for the package's state without widgets, until that is there."""

import dataclasses

import numpy as np

from d2l_ext.check import check
from d2l_ext.explorers import controls as kinds
from d2l_ext.panels import look
from d2l_ext.panels.panel import Panel


class Explorer:
    """Stand-in for the package's state without widgets."""

    def __init__(self, function, /, *, columns=None, train=None, **controls):
        kinds.match(function, controls)
        self.function, self.controls, self.columns = function, controls, columns
        self.values = {name: c.value for name, c in controls.items()}
        self.log, self.limits, self.opened = False, [], 'nothing'
        self.panels, self.pinned, self.pinned_at = [], [], {}
        self.said, self.plan = [], None
        self._call()

    def share(self):
        more = {'log y': True} if self.log else {}
        controls = {**self.controls, 'log y': kinds.Switch()}
        return kinds.share(controls, {**self.values, **more})

    def restore(self, text):
        values = kinds.restored({**self.controls, 'log y': kinds.Switch()}, text)
        log = values.pop('log y', False)
        before = self.values, self.log
        self.values, self.log = {**self.values, **values}, log
        try:
            self._call()
        except Exception:
            self.values, self.log = before
            raise

    def reset(self):
        self.values = {name: c.value for name, c in self.controls.items()}
        self.log, self.limits = False, []
        self._call()

    def pin(self):
        self.pinned = [_joined(panel) for panel in self.panels]
        self.pinned_at = self.values

    def unpin(self):
        self.pinned = []

    def _call(self):
        result = self.function(**self.values)
        self.panels = [result] if isinstance(result, Panel) else [*result]
        self.plan = next((p.plan for p in self.panels if p.plan), None)
        self.said = check(self.plan) if self.plan else []

    def dressed(self):
        pinned = [*self.pinned, *({} for _ in self.panels)]
        return [
            dataclasses.replace(
                panel,
                log=self.log if panel.log is None else panel.log,
                pinned={**panel.pinned, **kept},
            )
            for panel, kept in zip(self.panels, pinned, strict=False)
        ]

    def sentences(self):
        notes = ' '.join(dict.fromkeys(p.note for p in self.panels if p.note))
        pinned = ', '.join(f'{k}={v!r}' for k, v in self.pinned_at.items())
        said = [notes, *self.said, *([f'Pinned: {pinned}.'] if self.pinned else [])]
        return [sentence for sentence in said if sentence]


def _joined(panel):
    gap = [np.nan]
    lines = [(np.r_[x, gap], np.r_[y, gap]) for x, y in panel.lines.values()]
    if not lines:
        return {}
    return {'pinned': tuple(map(np.concatenate, zip(*lines, strict=True)))}
