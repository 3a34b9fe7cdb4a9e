/**
 * What the process says of itself. A browser's page has no such figures.
 */

/** Most memory the process has taken so far, in bytes; 0 where nobody knows. */
export function peakMemoryBytes(): number {
  if (typeof process === 'undefined') return 0;
  return ownPeakBytes() ?? process.resourceUsage().maxRSS * 1024;
}

/** Linux keeps in ru_maxrss what the parent held as it forked; the high-water mark of the process's own memory begins with its program. */
function ownPeakBytes(): number | undefined {
  try {
    const status = process.getBuiltinModule('node:fs').readFileSync('/proc/self/status', 'utf8');
    const kib = /^VmHWM:\s*(\d+) kB$/m.exec(status)?.[1];
    return kib === undefined ? undefined : Number(kib) * 1024;
  } catch {
    return undefined;
  }
}
