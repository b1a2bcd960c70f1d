// The explorers of a page: controls whose values are texts, Python in a worker that is
// asked for one picture at a time, the newest first, and the picture.
import {draw, plane} from './draw.js';
import {Training} from './training.js';

const BEAT = 100;  // milliseconds
const live = JSON.parse(document.getElementById('live').textContent);
const $ = (tag, properties, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};

class Explorer {
  constructor(spec, ask) {
    this.spec = spec;
    this.ask = ask;
    this.box = document.getElementById(spec.key);
    const [wide, narrow] = this.box.querySelectorAll('.picture');
    [this.picture, this.other] = wide.clientWidth ? [wide, narrow] : [narrow, wide];
    this.sentences = this.box.querySelector('.sentences');
    this.opened = this.box.querySelector('.opened');
    this.log = this.box.querySelector('.log input');
    this.turn = 1;  // of what was asked for last; the first picture is asked for by itself
    this.said = 0;
    this.waiting = [];
    this.controls = {};
    if (spec.train) this.training = new Training(this, () => unpacked(live.training));
    for (const place of this.box.querySelectorAll('.control')) this.control(place);
    this.log.onchange = () => this.moved();
    for (const button of this.box.querySelectorAll('[data-verb]')) {
      button.onclick = () => this.want(button.dataset.verb);
    }
    this.box.querySelector('.more select').onchange = event => {
      this.want('open', event.target.value);
    };
    this.box.querySelector('form').onsubmit = () => false;
    this.box.querySelector('.waiting').textContent = 'Python is on its way; then the sliders move.';
  }

  // Each control gets `get()`, the text of its value, and `set(text)`.
  control(place) {
    const {name, kind} = place.dataset, {texts} = this.spec.controls[name];
    if (kind === 'points') {
      this.controls[name] = this.points = new Points(this.spec.controls[name], this);
      place.firstElementChild.replaceWith(this.points.box);
      return;
    }
    const [input, number] = place.querySelectorAll('input, select');
    if (kind === 'choice') {
      this.controls[name] = {get: () => input.value, set: text => { input.value = text; }};
    } else if (kind === 'switch') {
      this.controls[name] = {get: () => input.checked ? 'on' : 'off',
        set: text => { input.checked = text === 'on'; }};
    } else {
      this.controls[name] = slider(input, number, texts);
    }
    for (const each of [input, number]) each?.addEventListener('input', event => {
      if (event.target !== number) this.moved();
    });
    number?.addEventListener('change', () => this.moved());
  }

  text() {
    const pairs = Object.entries(this.controls).map(([name, c]) => [name, c.get()]);
    if (this.log.checked) pairs.push(['log y', 'on']);
    return pairs.map(pair => pair.map(encodeURIComponent).join('=')).join('&');
  }

  moved() {
    this.training?.moved();
    this.want('restore', this.text());
  }

  // What is asked for while Python is busy: of several moves only the last.
  want(verb, text = '') {
    if (verb === 'restore') this.waiting = this.waiting.filter(w => w.verb !== 'restore');
    this.waiting.push({key: this.spec.key, verb, text, turn: ++this.turn});
    if (!this.ready && verb === 'restore') this.lookUp();
    this.ask();
  }

  // Where there are few settings, the page has them all, and need not wait for Python.
  lookUp() {
    const values = Object.values(this.controls).map(control => control.get());
    const found = this.spec.table?.[values.join('|')];
    if (!found || this.log.checked) return;
    const [view, numbers] = found, data = Float64Array.from(numbers, n => n ?? NaN);
    this.show({turn: this.turn, view, data});
    dispatchEvent(new CustomEvent('shown', {detail: {key: this.spec.key, turn: this.turn, view}}));
  }

  show({turn, view, data}) {
    this.picture.classList.toggle('old', 'error' in view);
    if (view.error) return this.say([view.error]);
    this.view = {...view, data};
    this.paint();
    if (turn === this.turn) {  // else the reader has moved on, and it stays as it is
      for (const [name, text] of Object.entries(view.values)) this.controls[name].set(text);
      this.log.checked = !!view.log;
    }
    this.log.parentElement.hidden = view.log === null;
    this.box.querySelector('[data-verb=unpin]').disabled = !view.pinned;
    this.open(view);
    this.say(view.sentences);
    if (view.begin) this.training.begin(view.begin, data);
    if (turn > 1) address(this.spec.key, view.share);
  }

  // From 240 on: a window may be narrower than what stands beside the axes.
  width() { return Math.min(700, Math.max(240, this.picture.clientWidth || 700)); }

  paint() {
    this.drawn = draw(this.view, this.width());
    this.picture.innerHTML = this.drawn.svg;
    this.points?.handles();
  }

  // A screen reader, and a reader, follow ten sentences a second, no sixty.
  say(sentences) {
    const now = performance.now();
    clearTimeout(this.later);
    const put = () => {
      this.said = performance.now();
      this.sentences.replaceChildren(...sentences.map(textContent => $('p', {textContent})));
    };
    if (now - this.said > BEAT) put();
    else this.later = setTimeout(put, this.said + BEAT - now);
  }

  open({openable, opened}) {
    const select = this.box.querySelector('.more select');
    const names = [...select.options].map(option => option.text);
    if (names.join('|') !== openable.join('|')) {
      select.replaceChildren(...openable.map(text => $('option', {text})));
    }
    select.value = opened.name;
    const key = JSON.stringify(opened);
    if (key === this.openedKey) return;
    this.openedKey = key;
    if (opened.settings !== undefined) {
      const input = $('input', {type: 'text', value: opened.settings, ariaLabel: 'settings'});
      input.onchange = () => this.want('restore', input.value);
      this.opened.replaceChildren(input);
    } else if (opened.code !== undefined) {
      this.opened.replaceChildren($('pre', {tabIndex: 0, textContent: opened.code}));
    } else if (opened.panels) {
      const {data} = this.view;
      this.opened.innerHTML = draw({...opened, data}, this.width()).svg;
      this.opened.append(...opened.sentences.map(textContent => $('p', {textContent})));
    } else this.opened.replaceChildren();
  }

  alive() {
    this.other.remove();  // from now on one picture fits any width
    this.picture.className = 'picture';
    this.box.classList.add('alive');
    this.training?.alive();
    new ResizeObserver(() => this.view && this.paint()).observe(this.box);
  }
}

// A slider of positions with a text each, and the box of its number.
function slider(range, number, texts) {
  let text = number.value;
  const set = now => {
    text = now;
    number.value = now;
    range.setAttribute('aria-valuetext', now);
    if (texts[range.value] !== now) range.value = nearest(texts, +now);
  };
  range.addEventListener('input', () => set(texts[range.value]));
  number.addEventListener('change', () => { text = number.value; });
  return {get: () => text, set};
}

const nearest = (texts, value) => texts.reduce((best, text, i) => (
  Math.abs(text - value) < Math.abs(texts[best] - value) ? i : best), 0);

// The points of a curve: a row each, and handles in the picture to drag.
class Points {
  constructor({t, lr, most, text}, explorer) {
    Object.assign(this, {texts: [t, lr], most, explorer});
    this.rows = $('div');
    this.more = $('button', {type: 'button', textContent: 'Add a point', onclick: () => this.add()});
    this.box = $('div', {className: 'points'}, this.rows, this.more);
    this.set(text);
  }

  get() { return this.pairs.map(pair => pair.join(':')).join(','); }

  set(text) {
    this.pairs = text.split(',').map(pair => pair.split(':'));
    while (this.rows.children.length > this.pairs.length) this.rows.lastChild.remove();
    while (this.rows.children.length < this.pairs.length) this.rows.append(this.row());
    this.sliders = [...this.rows.children].map((row, i) => {
      row.parts.forEach((part, k) => part.set(this.pairs[i][k]));
      row.lastChild.disabled = this.pairs.length === 1;
      return row.parts;
    });
    this.more.disabled = this.pairs.length >= this.most;
  }

  row() {
    const i = this.rows.children.length, row = $('div', {className: 'row'});
    row.parts = ['time', 'rate'].map((name, k) => {
      const label = `${name} ${i + 1}`, texts = this.texts[k];
      const range = $('input', {type: 'range', min: 0, max: texts.length - 1, ariaLabel: label});
      const number = $('input', {type: 'text', inputMode: 'decimal', ariaLabel: `${label}, as a number`});
      const part = slider(range, number, texts);
      const moved = () => { this.pairs[i][k] = part.get(); this.explorer.moved(); };
      range.addEventListener('input', moved);
      number.addEventListener('change', moved);
      row.append($('div', {className: 'part'}, $('span', {textContent: label}), range, number));
      return part;
    });
    row.append($('button', {type: 'button', textContent: `Remove ${i + 1}`, onclick: () => {
      this.change(this.pairs.filter((_, j) => j !== i));
    }}));
    return row;
  }

  change(pairs) {
    this.set(pairs.sort((a, b) => a[0] - b[0]).map(pair => pair.join(':')).join(','));
    this.explorer.moved();
  }

  // In the middle of the largest gap, on the curve.
  add() {
    const [times] = this.texts, pairs = this.pairs.map(pair => pair.map(Number));
    const ends = [+times[0], ...pairs.map(([t]) => t), +times.at(-1)];
    const gaps = ends.slice(1).map((end, i) => end - ends[i]);
    const i = gaps.indexOf(Math.max(...gaps));
    const t = +times[nearest(times, (ends[i] + ends[i + 1]) / 2)];
    const before = pairs.findLast(pair => pair[0] <= t) || pairs[0];
    const after = pairs.find(pair => pair[0] >= t) || pairs.at(-1);
    const share = after[0] > before[0] ? (t - before[0]) / (after[0] - before[0]) : 0;
    const lr = before[1] + share * (after[1] - before[1]);
    if (!pairs.some(pair => pair[0] === t)) this.change([...this.pairs, [t, +lr.toPrecision(3)]]);
  }

  // The curve is in the first panel: time across, rate up.
  handles() {
    if (this.dragged !== undefined) return this.place();
    const svg = this.explorer.picture.firstElementChild;
    this.circles = this.pairs.map((_, i) => {
      const circle = document.createElementNS(svg.namespaceURI, 'circle');
      circle.setAttribute('class', 'handle');
      circle.setAttribute('r', 7);
      circle.onpointerdown = event => this.drag(event, i);
      svg.append(circle);
      return circle;
    });
    this.place();
  }

  place() {
    const svg = this.explorer.picture.firstElementChild, [axes] = this.explorer.drawn.axes;
    const {X, Y} = plane(this.explorer.view.panels[0], axes.w, axes.h);
    this.circles.forEach((circle, i) => {
      const [t, lr] = this.pairs[i].map(Number);
      circle.setAttribute('cx', axes.x + X(t));
      circle.setAttribute('cy', axes.y + Math.max(0, Math.min(axes.h, Y(lr))));
      if (circle.parentElement !== svg) svg.append(circle);
    });
  }

  drag(event, i) {
    const move = ({clientX, clientY}) => {
      const {left, top} = this.explorer.picture.firstElementChild.getBoundingClientRect();
      const [axes] = this.explorer.drawn.axes;
      const {x, y} = plane(this.explorer.view.panels[0], axes.w, axes.h);
      const at = [x(clientX - left - axes.x), y(clientY - top - axes.y)];
      this.pairs[i] = at.map((value, k) => this.texts[k][nearest(this.texts[k], value)]);
      this.sliders[i].forEach((part, k) => part.set(this.pairs[i][k]));
      this.explorer.moved();
    };
    const end = () => {
      removeEventListener('pointermove', move);
      this.dragged = undefined;
      this.change(this.pairs);
    };
    this.dragged = i;
    event.preventDefault();
    addEventListener('pointermove', move);
    addEventListener('pointerup', end, {once: true});
  }
}

// The address of a page restores an explorer: #explorer?settings
let asked = 0;
function address(key, share) {
  clearTimeout(asked);  // browsers refuse more than a few changes a second
  asked = setTimeout(() => history.replaceState(null, '', `#${key}?${encodeURI(share)}`), 400);
}

function fromAddress() {
  const [key, ...settings] = location.hash.slice(1).split('?'), explorer = explorers[key];
  if (!explorer || !settings.length) return;
  explorer.box.scrollIntoView();
  explorer.want('restore', decodeURI(settings.join('?')));
}

// One worker, and at most one question under way: the newest settings win. What readers
// have asked for goes before an explorer that nobody has touched yet.
let worker, busy = true;  // until Python is there
function ask() {
  if (busy) return;
  const all = Object.values(explorers).filter(e => !e.lost);
  const asking = all.filter(e => e.waiting.length);
  const next = asking.find(e => e.ready) || asking[0] || all.find(e => !e.ready);
  if (!next) return;
  busy = true;
  const {key, statements, expression} = next.spec;
  worker.postMessage(next.ready ? next.waiting.shift() : {make: {key, statements, expression}});
}

const explorers = {};
for (const spec of live.explorers) explorers[spec.key] = new Explorer(spec, ask);

function answered({data: message}) {
  const explorer = explorers[message.alive || message.key];
  if (message.failed) {
    console.error(message.failed);
    for (const note of document.querySelectorAll('.waiting')) {
      note.textContent = 'Python could not be loaded here: the pictures stay as they are.';
    }
    if (!explorer) return;
    explorer.lost = !explorer.ready;  // the others go on
  }
  busy = false;
  if (message.alive) {
    explorer.ready = true;
    explorer.alive();
    if (!explorer.waiting.length) explorer.waiting.push({key: message.alive, verb: 'show', turn: 1});
  }
  if (message.view) {
    message.view = JSON.parse(message.view);
    explorer.show(message);
  }
  ask();
  if (message.view) dispatchEvent(new CustomEvent('shown', {detail: message}));
}

async function start() {
  const boot = {python: local(live.python), archives: live.archives.map(local)};
  let source = local(live.worker);
  if (location.protocol === 'file:') {
    boot.files = await unpacked(live.offline);
    const text = new TextDecoder().decode(boot.files[live.worker.split('/').pop()]);
    // from a disk Chromium takes a module worker from such an address only
    source = `data:text/javascript,${encodeURIComponent(text)}`;
  }
  worker = new Worker(source, {type: 'module'});
  worker.onmessage = answered;
  worker.onerror = error => answered({data: {failed: error.message || 'the worker failed'}});
  worker.postMessage({boot}, Object.values(boot.files || {}));
}

const local = path => new URL(path, document.baseURI).href;

// A page on a disk may read no files, but run scripts: they are all in this one.
async function unpacked(path) {
  const src = local(path);
  await new Promise((done, failed) => {
    document.head.append($('script', {src, onload: done, onerror: failed}));
  });
  const files = {};
  for (const [name, text] of Object.entries(window.packed)) {
    const packed = await fetch(`data:application/octet-stream;base64,${text}`);
    const stream = packed.body.pipeThrough(new DecompressionStream('gzip'));
    files[name] = await new Response(stream).arrayBuffer();
  }
  delete window.packed;
  return files;
}

addEventListener('hashchange', fromAddress);
fromAddress();
start().catch(error => answered({data: {failed: String(error)}}));
