// Compiles the modules of a Python package to .mpy files.
//
//	node compile.mjs [--packages DIR] TO PACKAGE
//
// MicroPython's compiler is WebAssembly here, too. Its format 6 is that of MicroPython 1.19 and all that came since, 1.25 and 1.27 among them.
import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import fs from 'node:fs';
import path from 'node:path';

const args = process.argv.slice(2);
let packages;
if (args[0] === '--packages') [, packages] = args.splice(0, 2);
if (!packages) { // where test/micropython/install puts them
  const here = path.dirname(new URL(import.meta.url).pathname);
  const lock = fs.readFileSync(path.join(here, '../package-lock.json'));
  packages = path.join(here, '../../../.tools', `micropython-${createHash('sha256').update(lock).digest('hex').slice(0, 12)}`);
}
delete globalThis.fetch; // the compiler would fetch its own file by it, which Node's cannot
const { compile } = createRequire(path.join(packages, 'package.json'))('@pybricks/mpy-cross-v6');
const [to, from] = args;

async function folder(from, to, name) {
  fs.mkdirSync(to, { recursive: true });
  for (const entry of fs.readdirSync(from, { withFileTypes: true })) {
    const source = path.join(from, entry.name);
    if (entry.isDirectory()) { await folder(source, path.join(to, entry.name), `${name}/${entry.name}`); continue; }
    if (!entry.name.endsWith('.py')) continue;
    // The name is what a traceback says. Nothing is left out: a program may rely on an AssertionError, and a traceback without lines helps nobody.
    const { status, mpy, err } = await compile(entry.name, fs.readFileSync(source, 'utf8'), ['-s', `${name}/${entry.name}`]);
    if (status !== 0) { console.error(err.join('\n')); process.exit(1); }
    fs.writeFileSync(path.join(to, entry.name.replace(/py$/, 'mpy')), mpy);
  }
}
await folder(path.resolve(from), path.resolve(to), path.basename(path.resolve(from)));
