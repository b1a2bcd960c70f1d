// The same questions to Python for browsers, in node: parity.mjs SITE REFERENCE
// prints, of each row, [key, milliseconds a call, [[answer, numbers], ...]].
import fs from 'node:fs';
import {python} from './python.mjs';

const py = await python(process.argv[2], 'package-', 'recordings-');
const live = py.pyimport('live');
py.runPython(`
import json, live
def act(*asked):
    view, numbers = live.act(*asked)
    return json.dumps([view, numbers.tolist()])
def controls(key):
    return json.dumps(live.controls(key))
`);
const act = py.globals.get('act'), controls = py.globals.get('controls');
const out = [];
for (const row of JSON.parse(fs.readFileSync(process.argv[3], 'utf8').replace(/-?\b(NaN|Infinity)\b/g, 'null'))) {
  live.make(row.key, row.statements, row.expression);
  const begin = performance.now();
  const answers = row.acts.map(([verb, text]) => act(row.key, verb, text));
  const ms = (performance.now() - begin) / answers.length;
  out.push(`[${JSON.stringify(row.key)}, ${ms}, ${controls(row.key)}, [${answers}]]`);
}
await new Promise(done => process.stdout.write(`[${out}]`, done));
