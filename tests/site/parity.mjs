// The same questions to Python for browsers, in node: parity.mjs SITE REFERENCE
// prints, of each row, [key, milliseconds a call, [[answer, numbers], ...]].
import fs from 'node:fs';
import path from 'node:path';
import {pathToFileURL} from 'node:url';

const assets = path.join(process.argv[2], 'assets');
const named = start => fs.readdirSync(assets).filter(name => name.startsWith(start));
const python = path.join(assets, named('python-')[0]) + path.sep;
const {loadPyodide} = await import(pathToFileURL(python + 'pyodide.mjs'));
const py = await loadPyodide({indexURL: python, packageCacheDir: python, packages: ['numpy'], stdout: () => {}});
const extractDir = py.runPython('import site; site.getsitepackages()[0]');
for (const name of ['package-', 'recordings-'].flatMap(named)) {
  py.unpackArchive(new Uint8Array(fs.readFileSync(path.join(assets, name))), 'xztar', {extractDir});
}
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
