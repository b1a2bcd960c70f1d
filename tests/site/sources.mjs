// The modules that a page's start compiles from their sources: sources.mjs SITE
import fs from 'node:fs';
import path from 'node:path';
import {pathToFileURL} from 'node:url';

const assets = path.join(process.argv[2], 'assets');
const named = start => fs.readdirSync(assets).filter(name => name.startsWith(start));
const python = path.join(assets, named('python-')[0]) + path.sep;
const {loadPyodide} = await import(pathToFileURL(python + 'pyodide.mjs'));
const py = await loadPyodide({indexURL: python, packageCacheDir: python, packages: ['numpy'], stdout: () => {}});
const extractDir = py.runPython('import site; site.getsitepackages()[0]');
const [name] = named('package-');
py.unpackArchive(new Uint8Array(fs.readFileSync(path.join(assets, name))), 'xztar', {extractDir});
console.log(py.runPython(`
import json, pathlib, sys
import live

def from_source(spec):
    # what Python has compiled itself just now lies there too, but with a time in it
    cached = pathlib.Path(spec.cached)
    return not cached.is_file() or cached.read_bytes()[4] != 1

specs = [m.__spec__ for m in sys.modules.values() if getattr(m, '__spec__', None)]
sources = [s for s in specs if s.has_location and s.origin.endswith('.py')]
json.dumps([len(specs), [s.name for s in sources if from_source(s)]])
`));
