// Beside the page, only when asked for: a run of LeNet that is begun, held, steered.
import {LeNet} from './lenet.js';

const OFTEN = 500;  // milliseconds between news of a run
let loading, net, sets, run, lr, going = false, busy = false;

self.onmessage = async ({data: message}) => {
  try {
    if (message.files) loading = load(message.files);
    await loading;
    if (message.lr !== undefined) lr = message.lr;
    if (message.begin) begin(message.begin);
    if (message.go !== undefined) going = message.go;
    if (going && !busy) await train();
  } catch (error) {
    postMessage({failed: String(error && error.stack || error)});
  }
};

async function load(files) {
  const idx = (name, header) => new Uint8Array(files[name]).subarray(header);
  sets = ['train', 't10k'].map(name => ({
    images: idx(`${name}-images-idx3-ubyte`, 16), labels: idx(`${name}-labels-idx1-ubyte`, 8)}));
  net = new LeNet(await WebAssembly.compile(files['lenet.wasm']));
}

// `orders`: of the examples, an epoch after the other; `rates`: of all updates, or none,
// where the reader sets them.
function begin({id, weights, orders, rates, batch}) {
  run = {id, orders, rates, batch, epoch: 0, first: 0, loss: 0, hits: 0, ms: 0, applied: []};
  net.begin(weights);
}

const channel = new MessageChannel();
let resume;
channel.port1.onmessage = () => resume();
const others = () => new Promise(done => { resume = done; channel.port2.postMessage(0); });

async function train() {
  busy = true;
  let told = performance.now();
  const tell = more => {
    postMessage({id: run.id, done: run.epoch * sets[0].labels.length + run.first, lr: run.applied, ...more});
    run.applied = [];
    told = performance.now();
  };
  try {
    const [{images, labels}, test] = sets, n = labels.length;
    while (going && run.epoch * n < run.orders.length) {
      const began = performance.now(), end = Math.min(n, run.first + run.batch), at = run.epoch * n;
      const rate = run.rates ? run.rates[run.epoch * Math.ceil(n / run.batch) + run.first / run.batch] : lr;
      const {loss, hits} = net.update(images, labels, run.orders.subarray(at + run.first, at + end), rate);
      run.loss += loss;
      run.hits += hits;
      run.applied.push(rate);
      run.first = end;
      run.ms += performance.now() - began;
      if (end === n) {
        const accuracy = net.accuracy(test.images, test.labels);
        tell({epoch: {loss: run.loss / n, hits: run.hits / n, accuracy, seconds: run.ms / 1000}});
        Object.assign(run, {epoch: run.epoch + 1, first: 0, loss: 0, hits: 0, ms: 0});
      } else if (performance.now() - told > OFTEN) tell();
      await others();  // a new rate, or a stop, is heard after every update
    }
  } finally {
    busy = false;
  }
}
