"""What CPython answers to settings of every explorer, for the browser's to be compared.

reference.py COUNT prints JSON [{key, statements, expression, acts}], an act being
[verb, text, answer as JSON, its numbers].
"""

import json
import pathlib
import random
import sys

import nbformat

ROOT = pathlib.Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / 'site')]
import live
from slices import slices

count = int(sys.argv[1])
random.seed(1)


def settings(controls):
    texts = {}
    for control in controls:
        if control['kind'] == 'points':
            times = sorted(random.sample(control['t'], random.randint(2, 6)), key=float)
            pairs = [f'{t}:{random.choice(control["lr"])}' for t in times]
            texts[control['name']] = ','.join(pairs)
        else:
            texts[control['name']] = random.choice(control['texts'])
    log = random.choice(['', '&log y=on'])
    return '&'.join(f'{name}={text}' for name, text in texts.items()) + log


rows = []
for path in sorted((ROOT / 'notebooks').glob('*.ipynb')):
    for item in slices(nbformat.read(path, 4)):
        live.make(item.key, item.statements, item.expression)
        todo = [('show', '')]
        todo += [('restore', settings(live.controls(item.key))) for _ in range(count)]
        todo += [('pin', ''), ('reset', ''), ('open', 'code for torch'), ('unpin', '')]
        acts = []
        for verb, text in todo:
            answer, numbers = live.act(item.key, verb, text)
            acts.append([verb, text, answer, numbers.tolist()])
        row = item._asdict() | {'key': item.key, 'page': path.stem, 'acts': acts}
        row['controls'] = live.controls(item.key)
        rows.append(row)
print(json.dumps(rows))
