// The modules that a page's start compiles from their sources: sources.mjs SITE
import {python} from './python.mjs';

const py = await python(process.argv[2], 'package-');
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
