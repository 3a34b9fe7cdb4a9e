/**
 * A run's timeline in the trace-event format, as Perfetto (ui.perfetto.dev) and chrome://tracing open it: a track per vCPU, one for the host, one for the phases; stages and waits
 * as slices, flushes as flows from whoever asks to every vCPU that serves, mapped pages and tables as counters. Times are microseconds of virtual time.
 *
 * Events are written as they happen. On each track time never goes back, and slices nest. Above a number of events only every second fault of each vCPU is
 * written, then every fourth, and so on; the file says so where it begins, and how many faults it leaves out at its end.
 *
 * Format: "Trace Event Format", Google, 2016 (B, E, i, C, s, f, M events in a JSON object).
 */
import { AccessKind, TIMELINE_HOST, type RunTimeline, type TimelineSetup } from '@mmulab/api';
import { formatCount } from './quantity';

const PS_PER_US = 1e6;
const PID = 1;
/** Numbers of the tracks that are no vCPU's. */
const PHASES = 1;
const HOST = 2;
const FIRST_VCPU = 3;

/** Events after which faults are left out; about 50 MB. Each further quarter of it halves what is written. */
const FULL_EVENTS = 400_000;

/** Accesses in words. */
const KINDS: Readonly<Record<number, string>> = { [AccessKind.Read]: 'read', [AccessKind.Write]: 'write', [AccessKind.Exec]: 'exec' };

type Fields = Readonly<Record<string, string | number | boolean | Readonly<Record<string, string | number>>>>;

/** Writes a timeline. */
export class TraceEvents implements RunTimeline {
  private written = 0;
  private isFirst = true;
  private setup: TimelineSetup = { name: '', vcpus: 0, stages: [], levels: [] };
  /** Faults by vCPU, and how many of them there are to one that is written. */
  private faults = new Float64Array(0);
  private stride = 1;
  private nextHalving: number;
  private leftOut = 0;
  /** 1 while a vCPU is in a fault that is left out, and while it runs its program. */
  private isSkipping = new Uint8Array(0);
  private isInGuest = new Uint8Array(0);
  /** Flows that have begun and that a vCPU is to end, by vCPU. */
  private pending: number[][] = [];
  private flows = 0;
  /** Time of the last event by track: a broadcast reaches a vCPU that may have been told of until a little later. */
  private latestPs = new Float64Array(0);

  /**
   * @param write takes the next piece of the file
   * @param fullEvents events after which faults are left out
   */
  constructor(
    private readonly write: (text: string) => void,
    private readonly fullEvents: number = FULL_EVENTS,
  ) {
    this.nextHalving = fullEvents;
  }

  /** How many faults are not in the file. */
  get faultsLeftOut(): number {
    return this.leftOut;
  }

  begin(setup: TimelineSetup): void {
    this.setup = setup;
    this.faults = new Float64Array(setup.vcpus);
    this.isSkipping = new Uint8Array(setup.vcpus);
    this.isInGuest = new Uint8Array(setup.vcpus);
    this.pending = Array.from({ length: setup.vcpus }, () => []);
    this.latestPs = new Float64Array(FIRST_VCPU + setup.vcpus);
    this.write('{"displayTimeUnit":"ns","traceEvents":[');
    this.meta('process_name', PHASES, { name: setup.name });
    this.track(PHASES, 'phases');
    this.track(HOST, 'host');
    for (let vcpu = 0; vcpu < setup.vcpus; vcpu++) this.track(FIRST_VCPU + vcpu, `vCPU ${vcpu}`);
  }

  phaseBegins(name: string, timePs: number): void {
    this.slice('B', PHASES, timePs, { name });
  }

  phaseEnds(timePs: number): void {
    this.slice('E', PHASES, timePs);
  }

  hostBegins(operation: string, timePs: number): void {
    this.slice('B', HOST, timePs, { name: operation });
  }

  hostEnds(timePs: number): void {
    this.slice('E', HOST, timePs);
  }

  guestBegins(vcpu: number, timePs: number): void {
    this.isInGuest[vcpu] = 1;
    this.slice('B', FIRST_VCPU + vcpu, timePs, { name: 'guest' });
  }

  guestEnds(vcpu: number, timePs: number): void {
    this.isInGuest[vcpu] = 0;
    this.slice('E', FIRST_VCPU + vcpu, timePs);
  }

  acts(vcpu: number, what: string, fromPs: number, toPs: number): void {
    this.slice('B', FIRST_VCPU + vcpu, fromPs, { name: what });
    this.slice('E', FIRST_VCPU + vcpu, toPs);
  }

  faultBegins(vcpu: number, timePs: number, vfn: number, kind: AccessKind): void {
    const nth = this.faults[vcpu] ?? 0;
    this.faults[vcpu] = nth + 1;
    const isLeftOut = nth % this.stride !== 0;
    this.isSkipping[vcpu] = isLeftOut ? 1 : 0;
    if (isLeftOut) this.leftOut++;
    else this.slice('B', FIRST_VCPU + vcpu, timePs, { name: 'fault', args: { vfn: `0x${vfn.toString(16)}`, access: KINDS[kind] ?? String(kind) } });
  }

  waited(vcpu: number, fromPs: number, toPs: number): void {
    if (this.isSkipping[vcpu] === 1) return;
    this.acts(vcpu, 'wait for mmu_lock', fromPs, toPs);
  }

  stageBegins(vcpu: number, stage: number, timePs: number): void {
    if (this.isSkipping[vcpu] === 1) return;
    this.slice('B', FIRST_VCPU + vcpu, timePs, { name: this.setup.stages[stage] ?? `stage ${stage}` });
  }

  stageEnds(vcpu: number, timePs: number): void {
    if (this.isSkipping[vcpu] !== 1) this.slice('E', FIRST_VCPU + vcpu, timePs);
  }

  faultEnds(vcpu: number, timePs: number): void {
    if (this.isSkipping[vcpu] !== 1) this.slice('E', FIRST_VCPU + vcpu, timePs);
    this.isSkipping[vcpu] = 0;
    if (this.written >= this.nextHalving) this.halve(timePs);
  }

  flushAsked(actor: number, timePs: number): void {
    if (actor !== TIMELINE_HOST && this.isSkipping[actor] === 1) return;
    const tid = actor === TIMELINE_HOST ? HOST : FIRST_VCPU + actor;
    for (const flows of this.pending) {
      flows.push(++this.flows);
      this.event('s', tid, timePs, { name: 'TLB flush', cat: 'flush', id: this.flows });
    }
  }

  flushServed(vcpu: number, timePs: number): void {
    if (this.isInGuest[vcpu] === 1) this.endFlows(vcpu, timePs);
  }

  levels(values: readonly number[], timePs: number): void {
    const [tables = 0] = values.slice(-1);
    this.event('C', PHASES, timePs, { name: 'tables', args: { tables } });
    if (values.length < 2) return;
    const args = Object.fromEntries(this.setup.levels.slice(0, -1).map((name, at) => [name, values[at] ?? 0]));
    this.event('C', PHASES, timePs, { name: 'mapped', args });
  }

  /** Flushes that nobody served any more end with the run, each on the track of the vCPU that was to serve it. */
  end(timePs: number): void {
    this.pending.forEach((flows, vcpu) => {
      if (flows.length === 0) return;
      this.slice('B', FIRST_VCPU + vcpu, timePs, { name: 'end of the run' });
      this.endFlows(vcpu, timePs);
      this.slice('E', FIRST_VCPU + vcpu, timePs);
    });
    const faults = this.faults.reduce((sum, count) => sum + count, 0);
    const other = { time: 'virtual, nominal durations', faults, faultsLeftOut: this.leftOut, everyNth: this.stride };
    this.write(`\n],"otherData":${JSON.stringify(other)}}\n`);
  }

  private endFlows(vcpu: number, timePs: number): void {
    for (const id of this.pending[vcpu] ?? []) this.event('f', FIRST_VCPU + vcpu, timePs, { name: 'TLB flush', cat: 'flush', id, bp: 'e' });
    this.pending[vcpu] = [];
  }

  private halve(timePs: number): void {
    this.stride *= 2;
    this.nextHalving += Math.ceil(this.fullEvents / 4);
    const name = `sampled: from here on one fault in ${formatCount(this.stride)} of each vCPU`;
    this.event('i', PHASES, timePs, { name, s: 'g' });
  }

  private track(tid: number, name: string): void {
    this.meta('thread_name', tid, { name });
    this.meta('thread_sort_index', tid, { sort_index: tid });
  }

  private meta(name: string, tid: number, args: Readonly<Record<string, string | number>>): void {
    this.put({ ph: 'M', pid: PID, tid, name, args });
  }

  private slice(ph: 'B' | 'E', tid: number, timePs: number, fields: Fields = {}): void {
    this.event(ph, tid, timePs, fields);
  }

  private event(ph: string, tid: number, timePs: number, fields: Fields): void {
    this.written++;
    const shownPs = Math.max(timePs, this.latestPs[tid] ?? 0);
    this.latestPs[tid] = shownPs;
    this.put({ ph, pid: PID, tid, ts: shownPs / PS_PER_US, ...fields });
  }

  private put(event: Fields): void {
    this.write(`${this.isFirst ? '' : ','}\n${JSON.stringify(event)}`);
    this.isFirst = false;
  }
}
