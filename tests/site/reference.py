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


def settings(controls):
    """Return random settings of these controls, as a text that is shared."""
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


def rows(count):
    """Yield the row of each explorer, with `count` random settings."""
    # here, for they leave no framework to whoever else is in this process
    sys.path.append(str(ROOT / 'site'))
    import live
    from slices import slices

    for path in sorted((ROOT / 'notebooks').glob('*.ipynb')):
        for item in slices(nbformat.read(path, 4)):
            live.make(item.key, item.statements, item.expression)
            controls = live.controls(item.key)
            todo = [('show', '')]
            todo += [('restore', settings(controls)) for _ in range(count)]
            todo += [('pin', ''), ('reset', ''), ('open', 'code for torch')]
            todo += [('unpin', '')]
            todo += [('train', '3')] if live.trained(item.key) else []
            acts = []
            for verb, text in todo:
                answer, numbers = live.act(item.key, verb, text)
                acts.append([verb, text, answer, numbers.tolist()])
            row = {'page': path.stem, 'acts': acts, 'controls': controls}
            yield {**item._asdict(), **row}


if __name__ == '__main__':
    random.seed(1)
    print(json.dumps([*rows(int(sys.argv[1]))]))
