// What a cell shows, and when: evaluated in JupyterLab with the number of the cell.
// Times are milliseconds of performance.now().
(index) => {
  const {content, sessionContext} = jupyterapp.shell.currentWidget;
  const area = content.widgets[index].outputArea.node;
  const places = (handle) => Number(handle.getAttribute('aria-valuemax'));
  const [handle] = [...area.querySelectorAll('.noUi-handle')].sort(
    (a, b) => places(b) - places(a));

  // The svg that is seen, or the image's source; null where there is none to see.
  // The still image under an svg is left to the camera: it stays while a new one loads
  const what = area.querySelector('svg[role=img]') ? 'svg[role=img]' : 'img';
  const picture = () => {
    const node = area.querySelector(what);
    if (!node || node.getBoundingClientRect().height < 2) return null;
    if (what !== 'img') return node.firstElementChild && node;
    return node.complete && node.naturalWidth ? node.src : null;
  };
  const text = (picture) => picture?.outerHTML ?? picture;
  const place = () => {
    const node = area.querySelector(what);
    if (!node) return 'no picture';
    const {top, height} = node.getBoundingClientRect();
    const whole = area.getBoundingClientRect();
    return [top - whole.top, height, whole.height].map(Math.round).join();
  };
  // what a text that was sent looks like in the page
  const known = (sent) => {
    const template = document.createElement('template');
    template.innerHTML = what === 'img' ? '' : sent;
    return text(template.content.querySelector('svg[role=img]')) ?? sent;
  };
  const date = ({header: {date}}) =>  // to the microsecond
    Date.parse(date.slice(0, 19) + 'Z') + 1000 * Number('0' + date.slice(19, -1));

  const probe = {
    active: false,
    value: () => Number(handle.getAttribute('aria-valuenow')),
    focus: () => handle.focus(),
    ends: () => ['min', 'max'].map(  // at which it stands
      (end) => probe.value() === Number(handle.getAttribute(`aria-value${end}`))),
    at: () => {
      const {x, y, width, height} = handle.getBoundingClientRect();
      const track = handle.closest('.noUi-base').getBoundingClientRect();
      return [x + width / 2, y + height / 2, track.x, track.width, places(handle)];
    },
    box: () => {
      const {x, y, width, height} = area.querySelector(what).getBoundingClientRect();
      return [x, y, x + width, y + height];
    },
    start() {
      Object.assign(this, {
        active: true, heard: 0, empty: 0, last: picture(), before: this.value(),
        inputs: [], pictures: [], places: new Set([place()]),
        sent: {}, made: [], busy: {}, kernel: [],
        next: requestAnimationFrame(frame),
      });
    },
    // once all has been answered, and then nothing came for `quiet` ms
    async settled(quiet, limit = 10000) {
      const end = performance.now() + limit;
      while (performance.now() < end) {
        const last = Math.max(
          this.heard, this.inputs.at(-1)?.[0] ?? 0, this.pictures.at(-1)?.[0] ?? 0);
        const open = Object.keys(this.sent).length - this.kernel.length;
        if (this.pictures.length && !open && performance.now() - last > quiet) break;
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    },
    stop() {
      this.active = false;
      cancelAnimationFrame(this.next);
      const made = Object.fromEntries(this.made.map(([sent, v]) => [known(sent), v]));
      return {
        inputs: this.inputs, kernel: this.kernel, empty: this.empty,
        places: [...this.places], value: this.value(), last: text(picture()),
        pictures: this.pictures.map(([t, seen]) => [t, made[text(seen)] ?? null]),
      };
    },
  };

  // the kernel's own times, by the widget that it was sent a value of
  probe.times = async () => {
    const code = "__import__('json').dumps(__import__('ipywidgets').Widget.times)";
    const {content} = await sessionContext.session.kernel.requestExecute(
      {code: '', silent: true, user_expressions: {times: code}}).done;
    const said = content.user_expressions.times.data['text/plain'];
    return JSON.parse(said.slice(1, -1))[probe.slider];
  };

  // Only what changed is looked at, and read when all is over: it shares the page's
  // time with what it watches
  let changed = true;
  new MutationObserver(() => { changed = true; }).observe(
    area, {subtree: true, childList: true, characterData: true, attributes: true});
  const frame = () => {
    probe.next = requestAnimationFrame(frame);
    if (!changed) return;
    const now = picture();
    changed = !now;
    if (now) probe.places.add(place());
    else probe.empty += 1;
    if (now && now !== probe.last) probe.pictures.push([performance.now(), now]);
    probe.last = now ?? probe.last;
  };

  // on the window: after the slider's own listeners, when it stands where it shall
  for (const type of ['pointermove', 'keydown'])
    window.addEventListener(type, (event) => {
      if (!probe.active || probe.value() === probe.before) return;
      probe.before = probe.value();
      probe.inputs.push([event.timeStamp, probe.before]);
    });

  // what is sent for which position of the slider, and what comes of it
  sessionContext.session.kernel.anyMessage.connect((_, {msg, direction}) => {
    if (!probe.active) return;
    probe.heard = performance.now();
    const {header: {msg_id, msg_type}, content: {data, execution_state: state}} = msg;
    const parent = msg.parent_header?.msg_id;
    if (direction === 'send') {
      const value = data?.state?.value;
      if (msg_type !== 'comm_msg' || value === undefined) return;
      probe.sent[msg_id] = value;
      probe.slider = msg.content.comm_id;
    } else if (parent in probe.sent) {
      const value = probe.sent[parent];
      const drawn = data?.state?.value;
      if (state === 'busy') probe.busy[parent] = date(msg);
      else if (state === 'idle') probe.kernel.push(date(msg) - probe.busy[parent]);
      else if (typeof drawn === 'string') probe.made.push([drawn, value]);
      else if (data?.['image/png'])
        probe.made.push([`data:image/png;base64,${data['image/png'].trim()}`, value]);
    }
  });
  return probe;
}
