// Imported before anything else, because the modules after it look at these globals while they load.

// Standard output carries the ready line only.
console.log = console.info = console.debug = console.error;

// The provider needs it, and older versions of Node 20 lack it.
URL.parse ??= (url, base) => (URL.canParse(url, base) ? new URL(url, base) : null);

const SystemDate = Date;
let offset = 0;
const now = () => SystemDate.now() + offset;

// The provider asks the global Date for the time, and nobody else is in this process. Node's own timers run on a
// monotonic clock and do not notice.
globalThis.Date = new Proxy(SystemDate, {
  construct: (target, args, newTarget) => Reflect.construct(target, args.length ? args : [now()], newTarget),
  apply: () => new SystemDate(now()).toString(),
  get: (target, key) => (key === 'now' ? now : Reflect.get(target, key)),
});

export function setClockOffset(seconds) {
  offset = seconds * 1000;
}
