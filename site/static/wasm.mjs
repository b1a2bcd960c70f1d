// WebAssembly of its text: [source, ...] to base64 of each.
import fs from 'node:fs';
import {createRequire} from 'node:module';

const wabt = await createRequire(import.meta.url)(`${process.argv[2]}/wabt.js`)();
const sources = JSON.parse(fs.readFileSync(0, 'utf8'));
console.log(JSON.stringify(sources.map(source => Buffer
  .from(wabt.parseWat('source', source, {simd: true}).toBinary({}).buffer).toString('base64'))));
