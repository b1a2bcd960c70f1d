// The Python of a built site, in node, with what lies in the archives whose names begin so.
import fs from 'node:fs';
import path from 'node:path';
import {pathToFileURL} from 'node:url';

export async function python(site, ...archives) {
  const assets = path.join(site, 'assets');
  const named = start => fs.readdirSync(assets).filter(name => name.startsWith(start));
  const folder = path.join(assets, named('python-')[0]) + path.sep;
  const {loadPyodide} = await import(pathToFileURL(folder + 'pyodide.mjs'));
  const py = await loadPyodide({indexURL: folder, packageCacheDir: folder, packages: ['numpy'], stdout: () => {}});
  const extractDir = py.runPython('import site; site.getsitepackages()[0]');
  for (const name of archives.flatMap(named)) {
    py.unpackArchive(new Uint8Array(fs.readFileSync(path.join(assets, name))), 'xztar', {extractDir});
  }
  return py;
}
