"""The figures of `bench.py` as a table to read."""

import math
import statistics

# Operations of an image in LeNet: forward, and twice that again for the gradients of
# weights and inputs, but for the first layer, whose input needs none
FORWARD = 2 * (25 * 6 * 28**2 + 150 * 16 * 10**2 + 400 * 120 + 120 * 84 + 84 * 10)
TRAINING = 3 * FORWARD - 2 * 25 * 6 * 28**2
# What ours is held against: the name of the rival, and how its contestants begin
RIVALS = {
    'the book': 'book',
    'PyTorch eager': 'torch, ',
    'ours before': 'd2l_ext.mxnet, at ',
}
WORKERS = 'book, 4 workers'  # whose time on the processors is not in its process
OPERATORS = 12  # of the profile, by name; the rest together


def table(report):
    """Return the figures of a report as text."""
    head = (
        '{date}: LeNet on Fashion-MNIST ({subset}), batch size {batch_size}, medians of '
        '{repeats} runs, epochs a run: {num_epochs}\n{place}'
    )
    parts = [head.format_map(report)]
    for key, text in PARTS.items():
        if report.get(key):
            parts.append('\n'.join(text(report)))
    return '\n\n'.join(parts)


def epochs(report):
    """Yield the lines of seconds per epoch, and what they are against each other."""
    rows = report['seconds_per_epoch']
    yield f'{"s an epoch":28}threads{"wall":>8}{"from to":>14}{"CPU":>8}{"GFLOP/s":>9}'
    for row in sorted(rows, key=lambda row: row['name'] != 'd2l_ext.mxnet'):
        wall, cpu = (statistics.median(row[kind]) for kind in ('wall', 'cpu'))
        spread = f'{min(row["wall"]):.2f} {max(row["wall"]):.2f}'
        yield (
            f'{row["name"]:28}{row["threads"]:7}{wall:8.2f}{spread:>14}{cpu:8.2f}'
            f'{gflop(report) / wall:9.1f}'
        )
    yield "(CPU: all threads of the process; the book's workers are not in it)"
    yield from ratios(rows)
    for threads, rate in report.get('gemm_gflops', {}).items():
        yield f'a matrix product at its best, threads {threads}: {rate:.0f} GFLOP/s'
    for threads, seconds in report.get('seconds_to_compile', {}).items():
        yield f'torch.compile took before that, threads {threads}: {seconds:.0f} s'
    peak = [figure for figure in report.get('peak_megabytes', {}).values() if figure]
    if peak:
        yield f'tensors took {max(peak):.0f} MiB of the GPU at most'


def ratios(rows):
    """Yield the lines that hold our best against the best of each rival."""
    for ours in ('d2l_ext.mxnet', 'd2l_ext.torch'):
        for rival, begin in RIVALS.items():
            by_clock, by_cpu = (
                [best(rows, name, kind) for name in (ours, begin)]
                for kind in ('wall', 'cpu')
            )
            if None not in by_clock + by_cpu:
                wall, cpu = ratio(by_clock, 'wall'), ratio(by_cpu, 'cpu')
                how = ', '.join('{name} ({threads})'.format_map(r) for r in by_clock)
                yield f'{ours} / {rival}: {wall:.2f}, by CPU {cpu:.2f}  [best: {how}]'


def ratio(pair, kind):
    """Return the median of one row over that of the other."""
    one, other = (statistics.median(row[kind]) for row in pair)
    return one / other


def best(rows, begin, kind):
    """Return the quickest of the rows whose name begins so, None if there is none."""
    rows = [
        row
        for row in rows
        # 'd2l_ext.mxnet' is ours of today, whatever the engine
        if row['name'].startswith(begin)
        and (' at ' in begin) == (' at ' in row['name'])
    ]
    if kind == 'cpu':
        rows = [row for row in rows if row['name'] != WORKERS]
    return min(rows, key=lambda row: statistics.median(row[kind]), default=None)


def gflop(report):
    """Return the operations of an epoch, in 1e9."""
    images, test_images = report['images']
    return 1e-9 * (images * TRAINING + test_images * FORWARD)


def profile(report):
    """Yield the lines of MXNet's operators, the costliest first."""
    total = sum(ms for _, ms in report['profile'].values())
    yield f'{"an epoch of the mini set":32}{"calls":>8}{"ms":>9}{"share":>8}'
    rows = sorted(report['profile'].items(), key=lambda row: -row[1][1])
    rest = [figures for _, figures in rows[OPERATORS:]]
    rest = ['all others', [sum(column) for column in zip(*rest)]] if rest else []
    for name, (calls, ms) in [*rows[:OPERATORS], *([rest] if rest else [])]:
        yield f'{name:32}{calls:8.0f}{ms:9.1f}{ms / total:8.1%}'


def sweep(report):
    """Yield the lines of what a run costs among others."""
    for subset, found in report['seconds_per_run'].items():
        runs = [*next(iter(found.values()))]
        head = f'{f"s a run, {subset}":24}' + ''.join(f'{n:>8}' for n in runs)
        yield f'{head}  runs: schedules x seeds'
        for processes, seconds in found.items():
            name = f'processes: {processes}'
            yield f'{name:24}' + ''.join(f'{s:8.2f}' for s in seconds.values())
        if len(found) > 1:
            one, most = (found[key][runs[-1]] for key in (min(found), max(found)))
            yield f'processes {max(found)} against 1: {one / most:.2f} times as many'


def calls(report):
    """Yield the lines of what a call of a scheduler costs."""
    kinds = report['microseconds_per_call']
    yield f'{"us a call":24}' + ''.join(f'{kind:>9}' for kind in kinds)
    for name in kinds['d2l_ext']:
        times = [made.get(name, math.nan) for made in kinds.values()]
        text = ''.join(f'{us:9.2f}' for us in times).replace('nan', '  -')
        yield f'{name:24}{text}'


def imports(report):
    """Yield the lines of what an import costs."""
    yield f'{"import":24}{"ms":>9}'
    for module, ms in report['import_milliseconds'].items():
        yield f'{module:24}{ms:9.1f}'


PARTS = {
    'seconds_per_epoch': epochs,
    'profile': profile,
    'seconds_per_run': sweep,
    'microseconds_per_call': calls,
    'import_milliseconds': imports,
}
