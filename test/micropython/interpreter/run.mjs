// Runs a program for boards in MicroPython, which is WebAssembly here, as a board runs it: with a heap that does not grow, and UARTs that are ptys.
//
//	node run.mjs --packages DIR --version 1.27.0 [--heap BYTES] [--loose] [--mode once|step|tasks] [--lib DIR]... [--file GUEST=HOST]... [--uart ID=PTY]... [--repl PTY] PROGRAM [ARGUMENT]...
//
// This port collects garbage only when no Python code runs. So a program that shall live in a heap of 64 KiB gives control back now and then: with "step" its loop() is
// called for ever, which is how UIFlow2 runs programs, and with "tasks" its asyncio tasks go on from one await to the next. "once" runs it from top to bottom.
//
// What the program prints goes to stdout or, with --repl, to a pty that is also its stdin, as on a board whose console is a UART. What it says to the test by module host
// goes to stdout in any case, and what the test says to it comes from stdin, line by line.
import fs from 'node:fs';
import path from 'node:path';

const { O_RDONLY, O_RDWR, O_NOCTTY, O_NONBLOCK } = fs.constants;

function parse(args) {
  const o = { heap: 65536, mode: 'once', lib: [], file: [], uart: new Map() };
  while (args[0]?.startsWith('--')) {
    const name = args.shift().slice(2);
    if (name === 'loose') { o.loose = true; continue; }
    const value = args.shift();
    switch (name) {
      case 'heap': o.heap = Number(value); break;
      case 'lib': case 'file': o[name].push(value); break;
      case 'uart': { const [id, pty] = value.split('='); o.uart.set(Number(id), pty); break; }
      case 'packages': case 'version': case 'mode': case 'repl': o[name] = value; break;
      default: throw new Error(`unknown option --${name}`);
    }
  }
  [o.program, ...o.args] = args;
  return o;
}
const options = parse(process.argv.slice(2));

// Strict is when the C heap below MicroPython's may not grow any more.
let memory, strict = false;
const instantiate = WebAssembly.instantiate;
WebAssembly.instantiate = async (binary, imports) => {
  const grow = imports.env.emscripten_resize_heap;
  imports.env.emscripten_resize_heap = size => strict ? 0 : grow(size);
  const result = await instantiate.call(WebAssembly, binary, imports);
  memory = (result.instance ?? result).exports.memory;
  return result;
};
const { loadMicroPython } = await import(path.join(options.packages, `node_modules/micropython-${options.version}/micropython.mjs`));

// Synchronously: while Python runs, nothing that Node has put off is done.
function writeAll(fd, bytes) {
  for (let done = 0; done < bytes.length;) {
    try { done += fs.writeSync(fd, bytes, done); } catch (e) { if (e.code !== 'EAGAIN') throw e; pause(1); }
  }
}
const cell = new Int32Array(new SharedArrayBuffer(4));
const pause = ms => { if (ms > 0) Atomics.wait(cell, 0, 0, ms); };
const say = text => writeAll(1, Buffer.from(text + '\n'));

// Lines are what the test says.
class Lines {
  constructor() { this.fd = fs.openSync('/dev/stdin', O_RDONLY | O_NONBLOCK); this.rest = ''; this.buf = Buffer.alloc(4096); }
  take() {
    let end = this.rest.indexOf('\n');
    if (end < 0) {
      try { this.rest += this.buf.toString('utf8', 0, fs.readSync(this.fd, this.buf)); } catch (e) { if (e.code !== 'EAGAIN') throw e; }
      end = this.rest.indexOf('\n');
    }
    if (end < 0) return null;
    const line = this.rest.slice(0, end);
    this.rest = this.rest.slice(end + 1);
    return line;
  }
}
const lines = new Lines();

// A line is a UART's pty, whose settings are those of whoever keeps it open. It holds back no more than a UART's receive buffer does: the rest stays in the pty, where the
// test counts it.
class Line {
  constructor(pty, room) {
    this.fd = fs.openSync(pty, O_RDWR | O_NOCTTY | O_NONBLOCK);
    this.buf = Buffer.alloc(room); this.begin = this.end = 0; this.interrupt = -1;
  }
  any() {
    if (this.begin > 0) { this.buf.copy(this.buf, 0, this.begin, this.end); this.end -= this.begin; this.begin = 0; }
    if (this.end < this.buf.length) {
      try { this.end += fs.readSync(this.fd, this.buf, this.end, this.buf.length - this.end, null); } catch (e) { if (e.code !== 'EAGAIN' && e.code !== 'EIO') throw e; }
    }
    if (this.interrupt >= 0 && this.buf.subarray(0, this.end).includes(this.interrupt)) { say('interrupted'); process.exit(130); }
    return this.end;
  }
  take(to) {
    const n = Math.min(to.length, this.end - this.begin);
    to.set(this.buf.subarray(this.begin, this.begin + n));
    this.begin += n;
    return n;
  }
  wait(ms) {
    for (const until = performance.now() + ms; this.any() === 0;) {
      const left = until - performance.now();
      if (left <= 0) return false;
      pause(Math.min(1, left));
    }
    return true;
  }
  // Machine.UART's rule: so long for the first byte, so long between two.
  read(to, timeout, between) {
    let n = 0;
    while (n < to.length && this.wait(n === 0 ? timeout : between)) n += this.take(to.subarray(n));
    return n;
  }
}
const uarts = new Map();

const mp = await loadMicroPython({
  heapsize: options.heap, pystack: 4096, linebuffer: false, stdout: bytes => writeAll(1, bytes), stderr: bytes => writeAll(2, bytes),
});
const { FS, _module: C } = mp;

// Bytes cross by address. The memory can grow, which gives it another buffer.
const at = (address, n) => new Uint8Array(memory.buffer, address, n);

let measure = false;
mp.registerJsModule('_host', {
  say,
  take: () => lines.take(),
  measure() { measure = true; },
  interrupt_char(c) { if (repl) repl.interrupt = c; },
  sleep: pause,
  open(id, room) {
    if (!options.uart.has(id)) return false;
    if (!uarts.has(id)) uarts.set(id, new Line(options.uart.get(id), room));
    return true;
  },
  any: id => uarts.get(id).any(),
  read: (id, address, n, timeout, between) => uarts.get(id).read(at(address, n), timeout, between),
  write(id, address, n) { writeAll(uarts.get(id).fd, at(address, n)); },
});

// The console's UART takes the places of stdin and stdout. Reading blocks until all that was asked for is there, as it does on a board; poll says if something is.
const EAGAIN = 11, POLLIN = 1, POLLOUT = 4;
let repl;
if (options.repl) {
  repl = new Line(options.repl, 259);
  repl.interrupt = 3;
  const bytes = (buffer, offset, length) => new Uint8Array(buffer.buffer, buffer.byteOffset + offset, length);
  const device = FS.makedev(64, 0);
  FS.registerDevice(device, {
    open(stream) { stream.seekable = false; },
    close() {},
    read(stream, buffer, offset, length) {
      const n = repl.read(bytes(buffer, offset, length), Infinity, Infinity);
      if (n === 0) throw new FS.ErrnoError(EAGAIN);
      return n;
    },
    write(stream, buffer, offset, length) { writeAll(repl.fd, bytes(buffer, offset, length)); return length; },
    poll: () => (repl.any() > 0 ? POLLIN : 0) | POLLOUT,
  });
  FS.mkdev('/dev/console', device);
  for (const fd of [0, 1]) { FS.close(FS.getStream(fd)); FS.open('/dev/console', fd === 0 ? 'r' : 'w'); }
}

function copy(host, guest) {
  for (const entry of fs.readdirSync(host, { withFileTypes: true })) {
    const from = path.join(host, entry.name), to = `${guest}/${entry.name}`;
    if (entry.isDirectory()) { if (!FS.analyzePath(to).exists) FS.mkdir(to); copy(from, to); }
    else if (/\.m?py$/.test(entry.name)) FS.writeFile(to, fs.readFileSync(from));
  }
}
FS.mkdir('/lib');
for (const dir of [path.join(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), 'lib'), ...options.lib]) copy(dir, '/lib');
for (const file of options.file) { const [guest, host] = file.split('='); FS.writeFile(guest, fs.readFileSync(host)); }
FS.writeFile('/main.py', fs.readFileSync(options.program));
mp.globals.set('argv', options.args.join('\0'));
// /lib before the frozen modules: time is one of them, and ours sleeps without spinning. A threshold makes garbage pending long before the heap is full.
mp.runPython(`
import sys, gc, _host
sys.path.insert(0, '/lib')
argv = argv.split('\\0') if argv else []
gc.threshold(${Math.floor(options.heap / 8)})
`);
if (options.repl) mp.runPython('import console; del console');
if (options.mode === 'tasks') mp.runPython('import tasks; del tasks');

if (!options.loose) {
  // MicroPython would take more from malloc when its heap is full: so malloc is left with little but what the bridge to JavaScript needs.
  strict = true;
  const spare = C._malloc(48 * 1024);
  for (let n = 1 << 24; n >= 512;) if (C._malloc(n) === 0) n >>= 1;
  C._free(spare);
}

function fail(e) {
  if (e.name !== 'PythonError') { console.error(e); process.exit(1); }
  const exit = e.type === 'SystemExit' && /SystemExit: ?(\d*)/.exec(e.message);
  if (exit) process.exit(Number(exit[1] || 0));
  writeAll(2, Buffer.from(e.message));
  process.exit(1);
}
process.on('uncaughtException', fail);
process.on('unhandledRejection', fail);

// What is alive, after a collection of all that is not.
function report() {
  if (!measure) return;
  measure = false;
  for (const _ of [1, 2]) mp.runPython('gc.collect()'); // the first one is itself garbage for the second
  mp.runPython("_host.say('heap %d' % gc.mem_alloc())");
}

try {
  mp.runPython(`exec(compile(open('/main.py').read(), '${path.basename(options.program)}', 'exec'), globals())`);
  report();
  while (options.mode === 'step') { mp.runPython('loop()'); report(); }
} catch (e) { fail(e); }
if (options.mode === 'tasks') setInterval(report, 5);
else process.exit(0);
