// A whole run of the page's trainer, in node: its last test accuracy. `begin` is what Python
// draws, `files` what a page loads to train, in base64.
import fs from 'node:fs';

const {begin: {weights, orders, rates}, files} = JSON.parse(fs.readFileSync(0, 'utf8'));
let accuracy;
globalThis.self = globalThis;  // as in a worker
globalThis.postMessage = ({epoch, failed}) => {
  if (failed) throw new Error(failed);
  if (epoch) ({accuracy} = epoch);
};
await import('./trainer.js');
for (const name in files) files[name] = new Uint8Array(Buffer.from(files[name], 'base64'));
await self.onmessage({data: {files, go: true, begin: {id: 1, weights: Float32Array.from(weights),
  orders: Int32Array.from(orders), rates, batch: 64}}});
console.log(accuracy);
process.exit();  // its channel would keep it alive
