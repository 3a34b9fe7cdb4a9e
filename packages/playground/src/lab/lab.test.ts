/**
 * Stepping: what it counts, that going back leads to what was there, and that jumps stop where something happened.
 */
import { resolveRuns, runResolved, type RawConfig, type ResolvedRun } from '@mmulab/runner';
import { registry } from '../fixtures/registry';
import { Lab } from './lab';
import { labConfigOf, resolveLab } from './lab-config';
import { Session } from './session';

const tdp = (workload: string, options = {}, kernel = '6.1.192'): RawConfig => ({ backend: { name: 'x86-tdp', kernel, options }, workload });
const labOf = (config: RawConfig): Lab => new Lab(resolveRuns(config, registry)[0], registry);

type Counted = Readonly<Record<string, number | undefined>>;

/** Counters of work belong to phases that are over: the explorer does not show them. */
const withoutWork = (counted: readonly (readonly [string, number | undefined])[], { definition }: Pick<Lab, 'definition'>): Counted => {
  const work = new Set(definition.events.flatMap(({ name, group }) => (group === 'work' ? [name] : [])));
  return Object.fromEntries(counted.filter(([name]) => !work.has(name)));
};
const countedIn = (lab: Lab): Counted =>
  withoutWork(
    lab.definition.events.map((event, i) => [event.name, lab.now[i]] as const),
    lab,
  );
const countedBy = (run: ResolvedRun): Counted => withoutWork(Object.entries(runResolved(run, registry).totals.counters), new Lab(run, registry));

/** Small runs of every kind of stepping. */
const RUNS: readonly (readonly [string, RawConfig])[] = [
  ['x86-tdp', tdp('dirty_log_perf_test -v 1 -b 2M -s anonymous_hugetlb_2mb -g')],
  ['x86-tdp, shared memory', tdp('access_rounds -v 3 -b 256K -o -p w,r,D,w,G')],
  ['x86-tdp with a nested guest', { ...tdp('nested_rounds -b 2M -L -s anonymous_hugetlb_2mb -p w,D,x'), host: { vendor: 'amd' } }],
  ['x86-shadow', { backend: { name: 'x86-shadow', kernel: '5.10.262' }, workload: 'cr_churn -m w -n 3 -p 10 -r 1' }],
  ['arm64-stage2', { backend: { name: 'arm64-stage2', kernel: '6.2' }, workload: 'dirty_log_perf_test -v 1 -b 2M -s anonymous_hugetlb_2mb' }],
];

describe('a run that is stepped through', () => {
  it.each(RUNS)('counts in every phase what the run counts: %s', (_what, config) => {
    const [run] = resolveRuns(config, registry);
    const session = new Session([labConfigOf(run, registry)], registry);
    const [side] = session.sides;
    session.seek(session.lockstep.steps);
    expect(side.lab.isOver || side.lab.position === side.lab.survey.steps).toBe(true);
    expect(countedIn(side.lab)).toEqual(countedBy(run));
  });

  it.each(RUNS)('comes to equal states when it goes back: %s', (_what, config) => {
    const lab = labOf(config);
    const { steps } = lab.survey;
    const marks = [0, 1, Math.floor(steps / 3), steps - 1, steps];
    const seen = marks.map(mark => {
      while (lab.position < mark) lab.forward();
      return lab.digest();
    });
    expect(new Set(seen).size).toBe(marks.length);
    for (const mark of [2, 0, 3, 1, 4]) {
      lab.seek(marks[mark]);
      expect(lab.digest()).toBe(seen[mark]);
    }
  });

  it('stops at the next fault, split, zap and flush', () => {
    const lab = labOf(tdp('dirty_log_perf_test -v 1 -b 2M -s anonymous_hugetlb_2mb -g', { eager_page_split: 'N', huge_page_fault: 'zap' }));
    const counted = (name: string): number => {
      const index = lab.definition.events.findIndex(event => event.name === name);
      return (lab.now[index] ?? 0) - (lab.before[index] ?? 0);
    };
    expect(lab.seekClass('fault')).toBe(true);
    expect([lab.position, counted('page_fault')]).toEqual([2, 5]);
    expect(lab.seekClass('flush')).toBe(true);
    expect([lab.last?.phaseName, counted('remote_tlb_flush_requests')]).toEqual(['enable_log', 1]);
    expect(lab.seekClass('zap')).toBe(true);
    expect([lab.last?.phaseName, counted('spte.zap.2m')]).toEqual(['dirty_1', 1]);
    expect(lab.seekClass('split')).toBe(false);
    expect(lab.isOver).toBe(true);
  });

  it('shows tables as they come and go', () => {
    const lab = labOf(tdp('access_rounds -v 1 -b 2M -s anonymous_hugetlb_2mb -p w,D,w,U'));
    const smallTables = (): number => lab.changes.tables().filter(table => table.level === 1).length;
    const from = (name: string): number => lab.survey.phases.find(phase => phase.name === name)?.from ?? 0;
    lab.seek(from('2_D'));
    const before = smallTables();
    lab.seek(from('2_D') + 1);
    expect([lab.changes.appeared.length, smallTables()]).toEqual([1, before + 1]);
    lab.seek(from('4_U') + 1);
    expect(lab.changes.vanished.filter(table => table.level === 1)).toHaveLength(1);
    expect(smallTables()).toBe(before);
  });

  it('goes by programs where there are very many accesses, and counts the same', () => {
    const [run] = resolveRuns(tdp('dirty_log_perf_test -v 2 -b 256M -s anonymous_hugetlb_2mb -g'), registry);
    const lab = new Lab(run, registry);
    expect([lab.byAccess, lab.survey.steps]).toEqual([false, 11]);
    lab.seekEnd();
    expect(countedIn(lab)).toEqual(countedBy(run));
  });

  it('is refused when it has more steps than anybody looks at', () => {
    const endless = tdp('dirty_log_perf_test -v 1 -b 1G -i 2147483647');
    expect(() => labOf(endless)).toThrow(/^LAB_TOO_LARGE: the run has more than 1,000,000 steps/);
  });
});

describe('the controls of a run', () => {
  it('are what differs from the kernel’s own, and mean the same run', () => {
    const [run] = resolveRuns({ ...tdp('execute_perf_test -v 2 -b 4M', { huge_page_fault: 'split' }), host: { vendor: 'amd' }, seed: 7 }, registry);
    const config = labConfigOf(run, registry);
    expect(config).toMatchObject({ backend: 'x86-tdp', kernel: '6.1.192', options: { huge_page_fault: 'split' }, seed: 7 });
    expect(config.host).toMatchObject({ vendor: 'amd' });
    const again = resolveLab(config, registry);
    expect([again.backend, again.host, again.workload, again.seed]).toEqual([run.backend, run.host, run.workload, run.seed]);
  });
});
