/**
 * Host memory as a trace lets it be seen: what stands behind a page is taken over from what the kernel mapped, and stays as it is until a notifier takes it away.
 *
 * States: untouched; then by level of the host's leaf, read-only and writable; last, no memory at all (MMIO).
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

const fault = (state: number): HostFault => {
  const after = state === UNTOUCHED ? SMALL_WRITABLE : state;
  const { writable } = states[after] ?? { writable: false };
  return { ok: state !== NO_MEMORY, state: after, spanLevel: 1, writable, notifications: [] };
};

/** Memory whose pages are what a trace shows them to be. */
export const tracedBacking: HostBacking = {
  name: 'traced',
  doc: 'Host memory as a trace lets it be seen.',
  pageLevel: 1,
  hugetlb: false,
  states,
  populated: SMALL_WRITABLE,
  faults: states.flatMap((_, state) => [fault(state), fault(state)]),
};
