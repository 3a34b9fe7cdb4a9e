/**
 * Runs whose counts depend on chance: the mean of several seeds, and how far their times lie apart.
 */
import type { PhaseWork } from '@mmulab/api';
import { priceOf, type PriceRequest, type PricedWork } from './prediction';

type Counts = Readonly<Record<string, number>>;

/** The mean of the same phase under several seeds. */
export function meanWork<W extends PhaseWork>(works: readonly [W, ...W[]]): W {
  const [first] = works;
  if (works.length === 1) return first;
  const mean = (countsOf: (work: W) => Counts): Counts =>
    Object.fromEntries(
      Object.keys(countsOf(first)).map(name => [name, works.reduce((sum, work) => sum + (countsOf(work)[name] ?? 0), 0) / works.length]),
    );
  return { ...first, vcpu: mean(({ vcpu }) => vcpu), host: mean(({ host }) => host) };
}

/** A phase that is done so many times. */
export function repeatedWork<W extends PhaseWork>(work: W, times: number): W {
  if (times === 1) return work;
  const repeated = (counts: Counts): Counts => Object.fromEntries(Object.entries(counts).map(([name, count]) => [name, count * times]));
  const { reads, writes, executes } = work.accesses;
  return {
    ...work,
    vcpu: repeated(work.vcpu),
    host: repeated(work.host),
    accesses: { reads: reads * times, writes: writes * times, executes: executes * times },
  };
}

/** Standard deviation of ln(time) over seeds; 0 with fewer than two, or where the model says nothing of the phase. */
export function spreadOf(request: Omit<PriceRequest, 'work'>, works: readonly PricedWork[]): number {
  const logs = works.flatMap(work => {
    const timeS = priceOf({ ...request, work })?.timeS ?? 0;
    return timeS > 0 ? [Math.log(timeS)] : [];
  });
  if (logs.length < 2) return 0;
  const mean = logs.reduce((sum, log) => sum + log, 0) / logs.length;
  return Math.sqrt(logs.reduce((sum, log) => sum + (log - mean) ** 2, 0) / (logs.length - 1));
}
