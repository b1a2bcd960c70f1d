// The pictures that a page shows before Python is there: [view, width, ...] of each.
import fs from 'node:fs';
import {draw} from './draw.js';

const views = JSON.parse(fs.readFileSync(0, 'utf8'));
console.log(JSON.stringify(views.map(([view, ...widths]) => {
  const data = Float64Array.from(view.data, value => value ?? NaN);
  return widths.map(width => draw({...view, data}, width).svg);
})));
