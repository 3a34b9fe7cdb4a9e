/**
 * Host memory as a trace lets it be seen: what stands behind a page is taken over from what the kernel mapped, and stays as it is until a notifier takes it away.
 *
 * States: untouched; then by level of the host's leaf, read-only and writable; last, no memory at all (MMIO). A page that was seen read-only becomes writable with
 * the first write: a host that answers a write fault answers it with a page that may be written.
 */
import type { HostBacking, HostFault, HostState } from '@mmulab/api';

const LEVELS = 3;
const UNTOUCHED = 0;
const SMALL_WRITABLE = 2;
const NO_MEMORY = 1 + 2 * LEVELS;

const huge = [1, 2, 3].flatMap(level => [false, true].map(writable => ({ level, writable })));

const states: readonly HostState[] = [
  { name: 'untouched', present: false, writable: false, level: 1, thp: false },
  ...huge.map(({ level, writable }) => ({ name: `level ${level} ${writable ? 'rw' : 'ro'}`, present: true, writable, level, thp: level > 1 })),
  { name: 'none', present: false, writable: false, level: 1, thp: false },
];

const fault = (state: number, write: boolean): HostFault => {
  const after = state === UNTOUCHED ? SMALL_WRITABLE : write && isReadOnly(state) ? state + 1 : state;
  const { writable, level } = states[after] ?? { writable: false, level: 1 };
  return { ok: state !== NO_MEMORY, state: after, spanLevel: level, writable, notifications: [] };
};

/** Each level's read-only state stands before its writable one. */
function isReadOnly(state: number): boolean {
  return states[state]?.present === true && states[state].writable === false;
}

/** Memory whose pages are what a trace shows them to be. */
export const tracedBacking: HostBacking = {
  name: 'traced',
  doc: 'Host memory as a trace lets it be seen.',
  pageLevel: 1,
  hugetlb: false,
  states,
  populated: SMALL_WRITABLE,
  faults: states.flatMap((_, state) => [fault(state, false), fault(state, true)]),
};
