"""A plot in JupyterLab, moved by its slider, and what was seen of it."""

import asyncio
import base64
import io
import statistics
from pathlib import Path

import numpy as np
from PIL import Image

PROBE = Path(__file__).with_name('probe.js').read_text()
KEYS = 'ArrowRight', 'ArrowLeft'
SECONDS, RATE = 2, 60  # of a drag, and its moves per second


class Plot:
    """A cell with a slider and a picture. `wrong` lists what must not be seen in it."""

    def __init__(self, name, page, cell):
        self.name, self.page, self.cell = name, page, cell
        self.steps, self.drags, self.wrong = [], [], []
        self.key = KEYS[0]

    async def watch(self):
        """Put the probe into the cell's page."""
        self.cdp = await self.page.context.new_cdp_session(self.page)
        self.probe = await self.page.evaluate_handle(PROBE, self.cell)
        await self.page.wait_for_timeout(300)

    async def step(self, key=None):
        """Press a key on the slider: the arrow right, and from the end on the left."""
        if key is None:
            ends = await self.probe.evaluate('probe => probe.ends()')
            self.key = key = dict(zip(ends, KEYS)).get(True, self.key)
        await self._entered()
        await self.probe.evaluate('probe => probe.start()')
        await self.page.keyboard.press(key)
        self.steps.append(await self._seen(quiet=100))

    async def drag(self):
        """Drag the slider to and fro, 60 moves a second, none waiting for another."""
        self.drags.append(await self._dragged())

    async def film(self):
        """Drag the slider before a camera: no screen frame may lack much of its ink."""
        frames, acknowledged = [], []

        def taken(frame):
            frames.append(frame['data'])
            ack = {'sessionId': frame['sessionId']}
            acknowledged.append(
                asyncio.ensure_future(self.cdp.send('Page.screencastFrameAck', ack))
            )

        self.cdp.on('Page.screencastFrame', taken)
        await self.cdp.send('Page.startScreencast', {'format': 'jpeg', 'quality': 80})
        last = (await self._dragged())['last']
        await self.cdp.send('Page.stopScreencast')
        await asyncio.gather(*acknowledged)
        box = await self.probe.evaluate('probe => probe.box()')
        inks = np.array([ink(frame, box) for frame in frames])
        # without one of its layers a picture has less than two thirds
        empty = (inks < 0.75 * np.median(inks)).sum()
        self._check(len(frames) > 5, f'{len(frames)} screen frames were taken')
        self._check(not empty, f'{empty} of {len(frames)} screen frames lack a layer')
        await self.step('ArrowLeft')
        await self.step('ArrowRight')
        same = self.steps[-1]['last'] == last
        self._check(same, 'what was dragged to and what is stepped to differ')

    async def _entered(self):
        """Go to the slider: JupyterLab takes a while over a new active cell."""
        await self.probe.evaluate('probe => probe.focus()')
        await self.page.wait_for_timeout(100)

    async def _dragged(self):
        await self._entered()
        x, y, left, width, places = await self.probe.evaluate('probe => probe.at()')
        stops = [x, *(left + width * share for share in (0.9, 0.1, 0.6))]
        lengths = np.abs(np.diff(stops)).cumsum()
        way = np.linspace(0, lengths[-1], SECONDS * RATE + 1)[1:]
        way = np.interp(way, [0, *lengths], stops)
        await self.page.mouse.move(x, y)
        await self.page.mouse.down()
        await self.probe.evaluate('probe => probe.start()')
        loop, moves = asyncio.get_running_loop(), []
        begin = loop.time()
        for i, to in enumerate(way):
            await asyncio.sleep(begin + i / RATE - loop.time())
            move = {'type': 'mouseMoved', 'button': 'left', 'buttons': 1}
            move |= {'x': float(to), 'y': y}
            moves.append(
                asyncio.ensure_future(self.cdp.send('Input.dispatchMouseEvent', move))
            )
        await asyncio.gather(*moves)
        seen = await self._seen(quiet=300)
        await self.page.mouse.up()
        values = np.rint((way - left) / width * places)
        new = np.flatnonzero(np.diff(values))
        seen['most'] = RATE * (len(new) - 1) / (new[-1] - new[0])
        return seen

    async def _seen(self, quiet):
        await self.probe.evaluate('(probe, quiet) => probe.settled(quiet)', quiet)
        seen = await self.probe.evaluate('probe => probe.stop()')
        shown = seen['pictures'][-1][1] if seen['pictures'] else None
        self._check(seen['inputs'], 'the slider did not move')
        self._check(
            shown == seen['value'],
            f'the slider stands at {seen["value"]}, the picture at {shown}',
        )
        self._check(not seen['empty'], f'{seen["empty"]} frames without picture')
        jumped = f'the layout jumped (top, height, all): {seen["places"]}'
        self._check(len(seen['places']) == 1, jumped)
        return seen

    def _check(self, right, sentence):
        if not right:
            self.wrong.append(f'{self.name}: {sentence}')

    @property
    def waits(self):
        """The ms from each key press to the picture."""
        seen = [step for step in self.steps if step['pictures']]
        return [step['pictures'][0][0] - step['inputs'][0][0] for step in seen]

    @property
    def rates(self):
        """New pictures per second, of each drag."""
        rates = []
        for drag in self.drags:
            begin, end = drag['inputs'][0][0], drag['inputs'][-1][0]
            seen = sum(begin < t <= end for t, _ in drag['pictures'])
            rates.append(1000 * seen / (end - begin))
        return rates

    @property
    def most(self):
        """The values per second that the mouse goes over: few where they are wide."""
        return statistics.median(drag['most'] for drag in self.drags)

    @property
    def age(self):
        """The ms since the slider stood where a picture shows it, as it appears."""
        ages = []
        for drag in self.drags:
            for t, value in drag['pictures']:
                past = [at for at, v in drag['inputs'] if v == value and at <= t]
                ages += [t - past[-1]] if past else []
        return statistics.median(ages)

    @property
    def lag(self):
        """The ms from the last move of a drag to the last picture."""
        ends = [(d['inputs'][-1][0], d['pictures'][-1][0]) for d in self.drags]
        return statistics.median(shown - moved for moved, shown in ends)

    async def ask(self):
        """Ask the kernel what each new value took: `handled`, in ms."""
        self.handled = await self.probe.evaluate('probe => probe.times()')

    @property
    def busy(self):
        """The ms for which the kernel was busy with each value it was sent."""
        return [ms for seen in (*self.steps, *self.drags) for ms in seen['kernel']]


def ink(frame, box):
    """Return how many pixels in a JPEG's `box` are grey or black: text, axes, ticks.

    Either layer has a good part of them; lines vary, and their colours do not count.
    """
    picture = Image.open(io.BytesIO(base64.b64decode(frame))).convert('RGB')
    pixels = np.asarray(picture.crop([round(edge) for edge in box])).astype(int)
    return ((pixels.max(axis=2) < 200) & (np.ptp(pixels, axis=2) < 30)).sum()
