// Panels as SVG. What they look like (limits, ticks, colours) comes with them from
// Python, where Matplotlib's pictures get it from too; here they only get a place.

const LEFT = 72, RIGHT = 18, BELOW = 44, ROW = 18, TICK = 12.5;

const ENTITIES = {'&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;'};
const escaped = text => String(text).replace(/[&<>"]/g, c => ENTITIES[c]);

// The path of a line, in tenths of a pixel; NaN lifts the pen. A point within half a
// pixel of the last one drawn is not seen, and a move waits for thousands of them.
function path(xs, ys, X, Y) {
  let d = '', pen = false, lastX, lastY, points = 0;
  for (let i = 0; i < xs.length; i++) {
    const x = Math.round(10 * X(xs[i])) / 10;
    // far outside is outside, and SVG's numbers end where Python's go on
    const y = Math.round(10 * Math.max(-1e4, Math.min(1e4, Y(ys[i])))) / 10;
    if (!(Number.isFinite(x + ys[i]) && y === y)) { pen = false; continue; }
    const last = i + 1 === xs.length || Number.isNaN(ys[i + 1]);
    if (pen && !last && Math.abs(x - lastX) < 0.5 && Math.abs(y - lastY) < 0.5) continue;
    if (!pen) d += `M${x},${y}`;
    else if (x === lastX) { if (y !== lastY) d += `V${y}`; }
    else d += y === lastY ? `H${x}` : `L${x},${y}`;
    pen = true; lastX = x; lastY = y; points++;
  }
  return points === 1 ? d + 'h0' : d;
}

function stroke(d, [color, dash, width]) {
  if (d.endsWith('h0')) [dash, width] = [[], 2.5 * width];
  const ends = dash.length
    ? `stroke-dasharray="${dash.map(part => part * width)}"` : 'stroke-linecap="round"';
  return `<path d="${d}" fill="none" stroke="${color}" stroke-width="${width}" `
    + `stroke-linejoin="round" ${ends}/>`;
}

// How the i-th of what is pinned is drawn.
const pin = ({pins}, i) => pins[i % pins.length];

// A legend that fits into a width: its SVG, and how many rows it has.
function legend(panel, {looks, greys}, width) {
  const labels = new Set([...panel.lines, ...panel.bands].map(([label]) => label));
  const items = [...labels].filter(Boolean).map(label => [label, looks[label]]);
  panel.pinned.forEach(([label], i) => items.push([label, pin(greys, i)]));
  if (!items.length) return {svg: '', rows: 0};
  const widths = items.map(([label]) => 48 + 7.2 * label.length);
  const whole = widths.reduce((a, b) => a + b) <= width;
  const columns = whole ? items.length
    : Math.max(1, Math.min(items.length, Math.floor(width / Math.max(...widths))));
  const rows = Math.ceil(items.length / columns);
  let svg = '', x = 0;
  items.forEach(([label, look], i) => {
    const left = whole ? x : i % columns * width / columns;
    const y = 12 - ROW * (rows - Math.floor(i / columns));
    x += widths[i];
    svg += stroke(`M${left},${y - 4}h28`, look)
      + `<text x="${left + 34}" y="${y}">${escaped(label)}</text>`;
  });
  return {svg, rows};
}

// Where numbers lie in axes of w by h pixels, and back.
export function plane({xlim: [x0, x1], ylim: [y0, y1], log}, w, h) {
  const low = log ? Math.log10(y0) : y0, high = log ? Math.log10(y1) : y1;
  return {
    X: x => (x - x0) / (x1 - x0) * w,
    // 0 is infinitely far down on a logarithmic axis
    Y: y => h - ((log ? Math.log10(y) : y) - low) / (high - low) * h,
    x: pixel => x0 + pixel / w * (x1 - x0),
    y: pixel => { const v = low + (h - pixel) / h * (high - low); return log ? 10 ** v : v; },
  };
}

// The SVG of a view's panels, `width` pixels wide, and where their axes are in it.
export function draw(view, width) {
  const {panels, columns, data} = view;
  const n = panels.length;
  const across = width < 520 ? 1 : columns || (n === 1 || n === 3 ? 1 : 2);
  const w = width / across - LEFT - RIGHT, h = n <= across ? 190 : 120;
  const column = ([begin, end]) => data.subarray(begin, end);
  const same = p => JSON.stringify([p.xlabel, p.xlim]);
  // panels one below the other share one x axis if they can
  const shared = across === 1 && new Set(panels.map(same)).size === 1;
  const axes = [];
  let svg = '', top = 0;
  for (let first = 0; first < n; first += across) {
    const row = panels.slice(first, first + across);
    const legends = row.map(panel => legend(panel, view, w));
    const head = 8 + Math.max(...row.map((p, i) => ROW * (!!p.title + legends[i].rows)));
    const bare = shared && first + across < n;
    row.forEach((panel, i) => {
      const place = {x: i * width / across + LEFT, y: top + head, w, h};
      axes.push(place);
      svg += `<g transform="translate(${place.x},${place.y})">`
        + picture(panel, view, place, legends[i], bare, column) + '</g>';
    });
    top += head + h + (bare ? 8 : BELOW);
  }
  const name = panels.map(p => p.title || `${p.ylabel} against ${p.xlabel}`).join('; ');
  return {axes, height: top, svg: '<svg xmlns="http://www.w3.org/2000/svg" role="img" '
    + `aria-label="${escaped(name)}" viewBox="0 0 ${width} ${top}" width="${width}" `
    + `height="${top}" font-size="${TICK}">${svg}</svg>`};
}

function picture(panel, {looks, greys}, {w, h}, {svg: keys, rows}, bare, column) {
  const {X, Y} = plane(panel, w, h);
  let grid = '', ticks = '', names = '';
  for (const [value, text] of panel.xticks) {
    const x = X(value).toFixed(1);
    grid += `M${x},0V${h}`; ticks += `M${x},${h}v5`;
    if (!bare) names += `<text x="${x}" y="${h + 19}" text-anchor="middle">${text}</text>`;
  }
  for (const [value, text] of panel.yticks) {
    const y = Y(value);
    grid += `M0,${y.toFixed(1)}H${w}`; ticks += `M0,${y.toFixed(1)}h-5`;
    names += `<text x="-10" y="${(y + 4.5).toFixed(1)}" text-anchor="end">${text}</text>`;
  }
  if (!bare) names += `<text x="${w / 2}" y="${h + 37}" text-anchor="middle" `
    + `class="axis">${escaped(panel.xlabel)}</text>`;
  names += `<text transform="translate(${17 - LEFT},${h / 2}) rotate(-90)" `
    + `text-anchor="middle" class="axis">${escaped(panel.ylabel)}</text>`;
  if (panel.title) names += `<text y="${-ROW * rows - 5}">${escaped(panel.title)}</text>`;

  let inner = '', words = '';  // lines may be dense: words lie over them
  panel.pinned.forEach(([, x, y], i) => {
    inner += stroke(path(column(x), column(y), X, Y), pin(greys, i));
  });
  for (const [label, x, low, high] of panel.bands) {
    const back = part => [...column(part)].reverse();
    const d = path([...column(x), ...back(x)], [...column(low), ...back(high)], X, Y);
    inner += `<path d="${d}" fill="${looks[label][0]}" fill-opacity=".2"/>`;
  }
  for (const [text, at] of panel.verticals) {
    const x = X(at), right = x < 0.7 * w;
    inner += stroke(`M${x},0V${h}`, greys.mark);
    words += `<text x="${x + (right ? 3 : -3)}" y="11.5" `
      + `class="mark" text-anchor="${right ? 'start' : 'end'}">${escaped(text)}</text>`;
  }
  for (const [text, at] of panel.horizontals) {
    const y = Y(at);
    inner += stroke(`M0,${y}H${w}`, greys.mark);
    words += `<text x="${w - 3}" y="${y - 4}" `
      + `class="mark" text-anchor="end">${escaped(text)}</text>`;
  }
  for (const [label, x, y] of panel.lines) {
    inner += stroke(path(column(x), column(y), X, Y), looks[label]);
  }
  return `<path d="${grid}" class="grid"/><path d="${ticks}" class="edge"/>`
    + `<g class="names">${names}${keys}</g>`
    // an inner svg clips by itself: no ids that could meet another picture's
    + `<svg width="${w}" height="${h}">${inner}${words}</svg>`
    + `<rect width="${w}" height="${h}" class="edge"/>`;
}
