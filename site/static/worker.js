// Python beside the page: runs the notebook's own statements, answers with numbers.

let live;

self.onmessage = async ({data: message}) => {
  try {
    if (message.boot) return await boot(message.boot);
    if (message.make) return make(message.make);
    const {key, verb, text = '', turn} = message;
    const began = performance.now(), answer = live.act(key, verb, text);
    const array = answer.get(1), buffer = array.getBuffer('f64'), data = buffer.data.slice();
    const view = answer.get(0);
    for (const thing of [buffer, array, answer]) (thing.release || thing.destroy).call(thing);
    const ms = performance.now() - began;
    postMessage({key, turn, ms, view, data}, [data.buffer]);
  } catch (error) {
    postMessage({failed: String(error && error.stack || error), key: (message.make || message).key});
  }
};

// `python`: where Pyodide is; `archives`: the package, and the recordings that the page
// shows; `files`: {name: bytes} of them all where there is no server, as on a USB stick.
async function boot({python, archives, files}) {
  const last = url => String(url.url || url).split('/').pop();
  if (files) self.fetch = async url => new Response(files[last(url)], {headers: {
    'Content-Type': last(url).endsWith('.wasm') ? 'application/wasm' : 'text/javascript'}});
  const module = name => import(files
    ? URL.createObjectURL(new Blob([files[name]], {type: 'text/javascript'})) : python + name);
  const loaded = archives.map(url => fetch(url).then(answer => answer.arrayBuffer()));
  const options = {indexURL: python, packageBaseUrl: python, packages: ['numpy']};
  if (files) options.createPyodideModule = (await module('pyodide.asm.mjs')).default;
  const {loadPyodide} = await module('pyodide.mjs');
  const py = await loadPyodide(options);
  const extractDir = py.runPython('import site; site.getsitepackages()[0]');
  for (const archive of loaded) py.unpackArchive(await archive, 'xztar', {extractDir});
  live = py.pyimport('live');
  postMessage({booted: true});
}

function make({key, statements, expression}) {
  live.make(key, statements, expression);
  postMessage({alive: key});
}
