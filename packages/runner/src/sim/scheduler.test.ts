import { ACCESS_DONE, AccessKind, type Counters, type MmuBackend, type StageDef, type VcpuProgram, type VcpuStep } from '@mmulab/api';
import { codeOf } from '../fixtures/registry';
import { Generators } from './generator';
import { Scheduler } from './scheduler';
import { SlicedScheduler } from './sliced-scheduler';

/** A backend whose accesses all take the same stages, and which writes down who did what. */
class Recorder {
  readonly log: string[] = [];
  /** Calls made while another actor's counters were selected. */
  readonly unselected: string[] = [];
  private readonly at: number[] = [];

  constructor(
    readonly stages: readonly StageDef[],
    private readonly path: readonly number[],
  ) {}

  enter(vcpu: number): void {
    this.log.push(`${vcpu} enter`);
  }

  control(vcpu: number): void {
    this.write(vcpu, 'control');
  }

  begin(vcpu: number, vfn: number): number {
    this.write(vcpu, `begin ${vfn}`);
    this.at[vcpu] = 0;
    return this.path[0] ?? ACCESS_DONE;
  }

  advance(vcpu: number): number {
    const at = this.at[vcpu] ?? 0;
    this.write(vcpu, `stage ${this.path[at] ?? -1}`);
    this.at[vcpu] = at + 1;
    return this.path[at + 1] ?? ACCESS_DONE;
  }

  private write(vcpu: number, what: string): void {
    this.log.push(`${vcpu} ${what}`);
    if (selected !== vcpu) this.unselected.push(`${vcpu} ${what}`);
  }
}

let selected: number | undefined;
const counters: Counters = { now: new Float64Array(), select: (actor, slot = 0) => void (selected = slot === 0 ? actor : undefined) };
const access = (vfn: number, count = 1): VcpuStep => ({ op: 'access', run: { vfn, count, stride: 1, kind: AccessKind.Read, writeEvery: 0 } });
const stage = (name: string, lock: StageDef['lock'] = 'none', nominalNs = 1000): StageDef => ({ name, nominalNs, lock });

type Kind = typeof Scheduler | typeof SlicedScheduler;

function record(stages: readonly StageDef[], path: readonly number[], programs: readonly VcpuProgram[], seed = 1, Kind: Kind = Scheduler): Recorder {
  const recorder = new Recorder(stages, path);
  const backend = recorder as unknown as MmuBackend;
  new Kind(backend, counters, new Generators(programs.length), seed, programs.length).run(programs, 0);
  return recorder;
}

function schedule(stages: readonly StageDef[], path: readonly number[], programs: readonly VcpuProgram[], seed = 1): string[] {
  return record(stages, path, programs, seed).log;
}

const many = (vcpus: number, count: number): readonly VcpuProgram[] => Array.from({ length: vcpus }, () => [access(0, count)]);

describe('the scheduler', () => {
  it('lets every vCPU enter first and run its program to the end', () => {
    const log = schedule([stage('map', 'write')], [0], [[access(1), { op: 'exit' }, { op: 'control', write: { register: 'invlpg', vfn: 0 } }], []]);
    expect(log.filter(line => line.startsWith('0'))).toEqual(['0 enter', '0 begin 1', '0 stage 0', '0 enter', '0 control']);
    expect(log.filter(line => line.startsWith('1'))).toEqual(['1 enter']);
  });

  it('does the same for the same seed and something else for another', () => {
    const log = (seed: number): string[] => schedule([stage('walk'), stage('map', 'write')], [0, 1], many(4, 50), seed);
    expect(log(3)).toEqual(log(3));
    expect(log(3)).not.toEqual(log(4));
  });

  it('interleaves accesses that take stages', () => {
    const log = schedule([stage('walk')], [0], many(2, 100));
    const begins = log.filter(line => line.includes('begin')).map(line => line[0]);
    const changes = begins.filter((vcpu, i) => i > 0 && vcpu !== begins[i - 1]).length;
    expect(changes).toBeGreaterThan(50);
  });

  it('keeps the lock from one stage to the next of the same mode', () => {
    // Under a write lock kept over both stages, nobody else's locked stage can end between them.
    const log = schedule([stage('freeze', 'write', 100), stage('map', 'write', 3000)], [0, 1], many(8, 20)).filter(line => line.includes('stage'));
    for (let i = 0; i < log.length; i += 2) {
      const vcpu = (log[i] ?? '').split(' ')[0] ?? '';
      expect(log.slice(i, i + 2)).toEqual([`${vcpu} stage 0`, `${vcpu} stage 1`]);
    }
  });

  it('gives the lock up between stages of different modes', () => {
    const log = schedule([stage('look', 'read', 100), stage('map', 'write', 3000)], [0, 1], many(8, 20)).filter(line => line.includes('stage'));
    const isPaired = log.every((line, i) => i % 2 === 1 || line.split(' ')[0] === log[i + 1]?.split(' ')[0]);
    expect(isPaired).toBe(false);
  });

  it('selects the vCPU before every access, stage and register write', () => {
    const program: VcpuProgram = [access(0, 5), { op: 'control', write: { register: 'invlpg', vfn: 0 } }, access(0, 5)];
    expect(record([stage('walk'), stage('map', 'write')], [0, 1], [program, program, program]).unselected).toEqual([]);
  });

  it('runs accesses without stages in order, batch by batch', () => {
    const log = schedule([], [], many(2, 1000)).filter(line => line.startsWith('0 begin'));
    expect(log).toEqual(Array.from({ length: 1000 }, (_, i) => `0 begin ${i}`));
  });

  it('refuses stages that the backend does not have', () => {
    expect(codeOf(() => schedule([stage('walk')], [7], many(2, 1)))).toBe('SCHEDULER_STAGE');
    expect(codeOf(() => schedule([stage('walk')], [-5], many(2, 1)))).toBe('SCHEDULER_STAGE');
  });
});

describe('vCPUs in turns', () => {
  const turns = (log: readonly string[]): number => log.filter((line, i) => i > 0 && line.split(' ')[0] !== log[i - 1]?.split(' ')[0]).length;

  it('run for some 200 stages of 1 us before the next one does, where side by side they change places at two of three', () => {
    const [together, inTurn] = [Scheduler, SlicedScheduler].map(kind => record([stage('walk')], [0], many(3, 1000), 1, kind).log);
    expect(turns(together ?? [])).toBeGreaterThan(2000);
    expect(turns(inTurn ?? [])).toBeLessThan(30);
    expect(inTurn?.slice().sort()).toEqual(together?.slice().sort());
  });

  it('hand a spinlock on in order, one access each, once a turn has ended under it', () => {
    const { log, unselected } = record([stage('map', 'write', 10_000)], [0], many(3, 200), 1, SlicedScheduler);
    expect(turns(log)).toBeGreaterThan(400);
    expect(unselected).toEqual([]);
  });

  it('take a reader-writer lock as they run, whoever waits', () => {
    const { log } = record([stage('map', 'write', 10_000), stage('relax', 'read', 100)], [0, 1], many(3, 200), 1, SlicedScheduler);
    expect(turns(log)).toBeLessThan(150);
  });
});

/** Pages become accessible by a fault of one stage; a register write takes all of them away. */
class Rights {
  readonly stages: readonly StageDef[] = [stage('map')];
  /** Who faulted where, and after how many faults a register was written. */
  readonly log: string[] = [];
  losses = 0;
  /** Accesses that were begun: those passed over are not. */
  begun = 0;
  private readonly accessible = new Set<number>();
  private readonly pending: number[] = [];
  hitsAhead: ((vcpu: number, vfn: number, kind: AccessKind, stride: number, count: number) => number) | undefined;

  constructor(
    passesOver: boolean,
    private readonly tells = true,
  ) {
    this.hitsAhead = passesOver ? (_vcpu, vfn, _kind, stride, count) => this.hits(vfn, stride, count) : undefined;
  }

  enter(): void {
    // Nothing to load.
  }

  begin(vcpu: number, vfn: number): number {
    this.begun++;
    if (this.accessible.has(vfn)) return ACCESS_DONE;
    this.pending[vcpu] = vfn;
    return 0;
  }

  advance(vcpu: number): number {
    const vfn = this.pending[vcpu] ?? 0;
    this.accessible.add(vfn);
    this.log.push(`${vcpu} ${vfn}`);
    return ACCESS_DONE;
  }

  control(vcpu: number): void {
    this.log.push(`${vcpu} control`);
    this.accessible.clear();
    if (this.tells) this.losses++;
  }

  private hits(vfn: number, stride: number, count: number): number {
    let hits = 0;
    while (hits < count && this.accessible.has(vfn + hits * stride)) hits++;
    return hits;
  }
}

describe('hits that are passed over', () => {
  const control: VcpuStep = { op: 'control', write: { register: 'invlpg', vfn: 0 } };
  const programs: readonly VcpuProgram[] = [
    [{ op: 'repeat', times: 8, steps: [access(0, 700)] }],
    [access(0, 700), { op: 'repeat', times: 3, steps: [control, access(0, 400), { op: 'exit' }, access(100, 50)] }],
    [access(0, 650), { op: 'exit' }, { op: 'repeat', times: 8, steps: [access(0, 650)] }],
  ];
  const perform = (passesOver: boolean, seed: number, tells = true): Rights => {
    const rights = new Rights(passesOver, tells);
    new Scheduler(rights as unknown as MmuBackend, counters, new Generators(3), seed, 3).run(programs, 0);
    return rights;
  };

  it('change nothing: who passed over accesses that no longer hit is set back to the first of them', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const each = perform(false, seed);
      const over = perform(true, seed);
      expect(over.log).toEqual(each.log);
      expect(over.begun).toBeLessThan(0.6 * each.begun);
    }
  });

  it('would be too many if the backend did not tell that rights are lost', () => {
    expect(perform(true, 1, false).log).not.toEqual(perform(false, 1).log);
  });
});
