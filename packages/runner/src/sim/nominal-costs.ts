/**
 * What guest actions take in virtual time when no cost model says so. Only ratios matter, to each other and to the stages of a
 * backend: they decide how accesses of several vCPUs interleave. Orders of magnitude of a server of the 2020s; nothing is fitted to a record.
 */
export const NOMINAL_COSTS_NS = {
  /** An access that needs no exit: the test's loop around it, and a hardware walk. */
  hit: 20,
  /** Entering the guest. */
  entry: 600,
  /** An exit to user space and back in. */
  exit: 1500,
  /** A control-register write the hypervisor handles. */
  control: 1000,
  /** A call of the host into KVM, and each event counted in it: how long its operations are in a timeline. */
  hostCall: 2000,
  hostEvent: 30,
  /** vCPU threads are woken one after the other: they start within this time. */
  startSpread: 20_000,
  /** A turn of a vCPU where one CPU runs all of them. */
  slice: 200_000,
} as const;

/** Virtual time is counted in picoseconds. */
export const PS_PER_NS = 1000;

/** The same in picoseconds. */
export const NOMINAL_COSTS_PS = Object.fromEntries(Object.entries(NOMINAL_COSTS_NS).map(([name, ns]) => [name, ns * PS_PER_NS])) as Readonly<
  Record<keyof typeof NOMINAL_COSTS_NS, number>
>;
