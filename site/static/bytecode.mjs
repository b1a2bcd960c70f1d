// Bytecode: [a page's archive in base64, [a file of it, ...]] to {where a module lies: its
// .pyc in base64}, of these files and of all that importing `live` imports.
import fs from 'node:fs';
import {pathToFileURL} from 'node:url';

const folder = `${process.argv[2]}/`, [archive, wanted] = JSON.parse(fs.readFileSync(0, 'utf8'));
const {loadPyodide} = await import(pathToFileURL(`${folder}pyodide.mjs`));
const py = await loadPyodide({indexURL: folder, packageCacheDir: folder,
  packages: ['numpy'], stdout: () => {}});
const extractDir = py.runPython('import site; site.getsitepackages()[0]');
py.unpackArchive(new Uint8Array(Buffer.from(archive, 'base64')), 'xztar', {extractDir});
py.globals.set('wanted', py.toPy(wanted));
const found = py.runPython(`
import base64, importlib.util, json, pathlib, sys
from importlib._bootstrap_external import _code_to_hash_pyc
import live

def pyc(path, source):
    code = compile(source, path, 'exec', dont_inherit=True, optimize=2)
    # unchecked: nobody asks whether its source is another by now
    pyc = _code_to_hash_pyc(code, importlib.util.source_hash(source), checked=False)
    return base64.b64encode(pyc).decode()

home = pathlib.Path(live.__file__).parent
sources = {str(home / path): (home / path).read_bytes() for path in wanted}
for module in [*sys.modules.values()]:
    spec = getattr(module, '__spec__', None)
    if spec and (spec.origin or '').endswith('.py'):
        sources[spec.origin] = spec.loader.get_data(spec.origin)
json.dumps({path: pyc(path, source) for path, source in sources.items()})
`);
await new Promise(done => process.stdout.write(found, done));
