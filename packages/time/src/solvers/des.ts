/**
 * Discrete events in virtual time: customers think, queue at one station after the other in first-come order, and begin again. A phase is cut into rounds; the
 * time is the mean round once it has settled, times their number. Times are exponential, or constant. Reproducible: a generator with a fixed seed, ties go to the
 * lower customer. Hot path: one heap of pending ends in typed arrays, nothing is allocated per event.
 */
import type { Network, Solution, ContentionSolver } from '@mmulab/api';
import { slowdownOf } from './network';

/** How stage times are distributed. */
export type Distribution = 'exponential' | 'constant';

/** Events of one simulation, over all customers. */
const DEFAULT_EVENTS = 400_000;
/** Part of the rounds that is not measured: the start is not typical. */
const WARM_UP = 0.25;
const SEED = 0x9e3779b9;

/** Makes a solver of discrete events. */
export function desSolver(distribution: Distribution, events = DEFAULT_EVENTS): ContentionSolver {
  const exponential = distribution === 'exponential';
  return {
    name: exponential ? 'des' : 'des-constant',
    doc: exponential ? 'Discrete events, exponential stage times.' : 'Discrete events, constant stage times.',
    solve: network => new Simulation(network, exponential, events).solve(),
  };
}

class Simulation {
  private readonly rounds: number;
  /** Stage of each customer: 0 thinks, i is at station i. */
  private readonly stage: Int32Array;
  private readonly endS: Float64Array;
  private readonly heap: Int32Array;
  private heapSize = 0;
  private readonly queues: Int32Array[];
  private readonly heads: Int32Array;
  private readonly lengths: Int32Array;
  private readonly busyS: Float64Array;
  private readonly startedS: Float64Array;
  private readonly areaS: Float64Array;
  private readonly changedS: Float64Array;
  private nowS = 0;
  private state = SEED;

  constructor(
    private readonly network: Network,
    private readonly exponential: boolean,
    events: number,
  ) {
    const { customers, stations } = network;
    const perRound = customers * (stations.length + 1);
    this.rounds = Math.max(100, Math.ceil(events / perRound));
    this.stage = new Int32Array(customers);
    this.endS = new Float64Array(customers);
    this.heap = new Int32Array(customers);
    this.queues = stations.map(() => new Int32Array(customers));
    this.heads = new Int32Array(stations.length);
    this.lengths = new Int32Array(stations.length);
    this.busyS = new Float64Array(stations.length);
    this.startedS = new Float64Array(stations.length);
    this.areaS = new Float64Array(stations.length);
    this.changedS = new Float64Array(stations.length);
  }

  solve(): Solution {
    const { customers, thinkS, stations } = this.network;
    for (let c = 0; c < customers; c++) this.schedule(c, this.draw(thinkS));
    const warm = Math.floor(this.rounds * WARM_UP) * customers;
    const total = this.rounds * customers;
    let done = 0;
    let fromS = 0;
    while (done < total) {
      if (this.step()) done++;
      if (done === warm && fromS === 0) {
        fromS = this.nowS;
        this.busyS.fill(0);
        this.areaS.fill(0);
      }
    }
    // Every completion but the last of a round lies inside the span: completions per second, not the span of a round.
    const spanS = this.nowS - fromS;
    const perSecond = (total - warm) / spanS;
    return {
      timeS: (customers / perSecond) * this.rounds,
      utilisation: stations.map((_, i) => Math.min(1, (this.busyS[i] ?? 0) / spanS)),
      residenceS: stations.map((_, i) => ((this.areaS[i] ?? 0) / spanS / perSecond) * this.rounds),
    };
  }

  /** Takes the next event. @returns whether a customer has ended a round */
  private step(): boolean {
    const customer = this.pop();
    this.nowS = this.endS[customer] ?? 0;
    const stage = this.stage[customer] ?? 0;
    if (stage > 0) this.leave(stage - 1);
    if (stage < this.network.stations.length) {
      this.stage[customer] = stage + 1;
      this.arrive(customer, stage);
      return false;
    }
    this.stage[customer] = 0;
    this.schedule(customer, this.draw(this.network.thinkS));
    return true;
  }

  private arrive(customer: number, station: number): void {
    this.account(station);
    const length = this.lengths[station] ?? 0;
    const queue = this.queues[station];
    if (queue !== undefined) queue[((this.heads[station] ?? 0) + length) % queue.length] = customer;
    this.lengths[station] = length + 1;
    if (length === 0) this.serve(station);
    // What is left of an exponential time is as good as new; at a station that slows down it is drawn anew at the new rate.
    else if (this.exponential && this.network.stations[station]?.slowdown !== undefined) this.serveAgain(station);
  }

  private leave(station: number): void {
    this.account(station);
    const queue = this.queues[station];
    this.heads[station] = ((this.heads[station] ?? 0) + 1) % (queue?.length ?? 1);
    this.lengths[station] = (this.lengths[station] ?? 1) - 1;
    if ((this.lengths[station] ?? 0) > 0) this.serve(station);
  }

  private account(station: number): void {
    const elapsedS = this.nowS - (this.changedS[station] ?? 0);
    const length = this.lengths[station] ?? 0;
    this.areaS[station] = (this.areaS[station] ?? 0) + elapsedS * length;
    if (length > 0) this.busyS[station] = (this.busyS[station] ?? 0) + elapsedS;
    this.changedS[station] = this.nowS;
  }

  private serve(station: number): void {
    const at = this.network.stations[station];
    const first = this.queues[station]?.[this.heads[station] ?? 0] ?? 0;
    if (at !== undefined) this.schedule(first, this.draw(at.demandS * slowdownOf(at, this.lengths[station] ?? 1)));
  }

  private serveAgain(station: number): void {
    this.remove(this.queues[station]?.[this.heads[station] ?? 0] ?? 0);
    this.serve(station);
  }

  /** A stage time of one round. */
  private draw(wholeS: number): number {
    const meanS = wholeS / this.rounds;
    return this.exponential ? -Math.log(1 - this.random()) * meanS : meanS;
  }

  /** Uniform in [0, 1): the mulberry32 generator. */
  private random(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }

  private schedule(customer: number, inS: number): void {
    this.endS[customer] = this.nowS + inS;
    this.heap[this.heapSize] = customer;
    this.up(this.heapSize++);
  }

  private pop(): number {
    const first = this.heap[0] ?? 0;
    this.takeOut(0);
    return first;
  }

  private remove(customer: number): void {
    const at = this.heap.subarray(0, this.heapSize).indexOf(customer);
    if (at >= 0) this.takeOut(at);
  }

  private takeOut(at: number): void {
    this.heapSize--;
    if (at === this.heapSize) return;
    this.heap[at] = this.heap[this.heapSize] ?? 0;
    this.up(at);
    this.down(at);
  }

  private isBefore(a: number, b: number): boolean {
    const [endA, endB] = [this.endS[a] ?? 0, this.endS[b] ?? 0];
    return endA < endB || (endA === endB && a < b);
  }

  private up(from: number): void {
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.swapIfBefore(at, parent)) return;
      at = parent;
    }
  }

  private down(from: number): void {
    let at = from;
    for (;;) {
      const left = 2 * at + 1;
      if (left >= this.heapSize) return;
      const right = left + 1;
      const child = right < this.heapSize && this.isBefore(this.heap[right] ?? 0, this.heap[left] ?? 0) ? right : left;
      if (!this.swapIfBefore(child, at)) return;
      at = child;
    }
  }

  private swapIfBefore(child: number, parent: number): boolean {
    const [c, p] = [this.heap[child] ?? 0, this.heap[parent] ?? 0];
    if (!this.isBefore(c, p)) return false;
    this.heap[child] = p;
    this.heap[parent] = c;
    return true;
  }
}
