// Bytecode: [[a page's archive, in base64]] to {where a module lies: its .pyc in base64},
// of the archive's own modules and of all others that importing `live` imports.
import fs from 'node:fs';
import {pathToFileURL} from 'node:url';

const folder = `${process.argv[2]}/`, [archive] = JSON.parse(fs.readFileSync(0, 'utf8'));
const {loadPyodide} = await import(pathToFileURL(`${folder}pyodide.mjs`));
const quiet = () => {};
const py = await loadPyodide({indexURL: folder, packageCacheDir: folder,
  packages: ['numpy'], stdout: quiet});
const extractDir = py.runPython('import site; site.getsitepackages()[0]');
py.unpackArchive(new Uint8Array(Buffer.from(archive, 'base64')), 'xztar', {extractDir});
const found = py.runPython(`
import base64, importlib.util, json, pathlib, sys
from importlib._bootstrap_external import _code_to_hash_pyc
import live

def pyc(path, source):
    code = compile(source, path, 'exec', dont_inherit=True, optimize=2)
    # unchecked: nobody asks whether its source is another by now
    pyc = _code_to_hash_pyc(code, importlib.util.source_hash(source), checked=False)
    return base64.b64encode(pyc).decode()

specs = [m.__spec__ for m in sys.modules.values() if getattr(m, '__spec__', None)]
origins = {s.origin: s.loader for s in specs if (s.origin or '').endswith('.py')}
found = {path: pyc(path, loader.get_data(path)) for path, loader in origins.items()}
home = pathlib.Path(live.__file__).parent
for path in home.glob('d2l_ext/**/*.py'):
    found.setdefault(str(path), pyc(str(path), path.read_bytes()))
json.dumps(found)
`);
await new Promise(done => process.stdout.write(found, done));
