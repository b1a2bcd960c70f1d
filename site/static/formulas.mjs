// MathML of formulas: [TeX, displayed] each.
import fs from 'node:fs';
import {pathToFileURL} from 'node:url';

const {default: katex} = await import(pathToFileURL(`${process.argv[2]}/katex.mjs`));
const formulas = JSON.parse(fs.readFileSync(0, 'utf8'));
console.log(JSON.stringify(formulas.map(([tex, displayMode]) => katex
  .renderToString(tex, {displayMode, output: 'mathml', throwOnError: true})
  .replace(/^<span class="katex">|<\/span>$/g, ''))));
