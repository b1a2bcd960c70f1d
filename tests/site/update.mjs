// Updates of the page's LeNet, in node: update.mjs PARTS STATIC, on stdin {images, labels,
// weights, orders, lr}; prints the parameters after them, and [loss, hits] of each.
import fs from 'node:fs';
import {createRequire} from 'node:module';
import {pathToFileURL} from 'node:url';

const [parts, folder] = process.argv.slice(2);
const wabt = await createRequire(import.meta.url)(`${parts}/wabt.js`)();
const text = fs.readFileSync(`${folder}/lenet.wat`, 'utf8');
const {buffer} = wabt.parseWat('lenet.wat', text, {simd: true}).toBinary({});
const {LeNet} = await import(pathToFileURL(`${folder}/lenet.js`));
const asked = JSON.parse(fs.readFileSync(0, 'utf8'));
const net = new LeNet(new WebAssembly.Module(buffer));
net.begin(asked.weights);
const images = Uint8Array.from(asked.images);
const said = asked.orders.map(order => net.update(images, asked.labels, order, asked.lr));
console.log(JSON.stringify({parameters: net.parameters().map(p => [...p]),
  said: said.map(({loss, hits}) => [loss, hits])}));
