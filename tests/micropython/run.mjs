// node run.mjs < program.py: runs a program in MicroPython
import { readFileSync } from 'node:fs';
import { loadMicroPython } from '@micropython/micropython-webassembly-pyscript/micropython.mjs';

const python = await loadMicroPython({ heapsize: 8 * 1024 * 1024, linebuffer: true });
python.runPython(readFileSync(0, 'utf8'));
