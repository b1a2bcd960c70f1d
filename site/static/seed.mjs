// A whole run of the page's LeNet, in node: its last test accuracy. `begin` is what
// Python draws, `lenet` the WebAssembly and the rest the images' files, in base64.
import fs from 'node:fs';
import {LeNet} from './lenet.js';

const {begin, lenet, ...files} = JSON.parse(fs.readFileSync(0, 'utf8'));
const bytes = text => new Uint8Array(Buffer.from(text, 'base64'));
const [train, test] = ['train', 't10k'].map(name => [
  bytes(files[`${name}-images-idx3-ubyte`]).subarray(16),
  bytes(files[`${name}-labels-idx1-ubyte`]).subarray(8)]);
const net = new LeNet(new WebAssembly.Module(bytes(lenet)));
net.begin(begin.weights);
let update = 0;
for (let first = 0; first < begin.orders.length; first += train[1].length) {
  const epoch = begin.orders.slice(first, first + train[1].length);
  for (let i = 0; i < epoch.length; i += 64) {
    net.update(...train, Int32Array.from(epoch.slice(i, i + 64)), begin.rates[update++]);
  }
}
console.log(net.accuracy(...test));
