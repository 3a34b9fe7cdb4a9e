/**
 * What the process says of itself. A browser's page has no such figures.
 */

/** Most memory the process has taken so far, in bytes; 0 where nobody knows. */
export function peakMemoryBytes(): number {
  return typeof process === 'undefined' ? 0 : process.resourceUsage().maxRSS * 1024;
}
