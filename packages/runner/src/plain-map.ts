/**
 * Maps among the values of configs, records and manifests.
 */
/** Whether a value is a plain map: no list, and none of the objects (dates, sets) that have keys of no use to us. */
export function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return Object.prototype.toString.call(value) === '[object Object]';
}
