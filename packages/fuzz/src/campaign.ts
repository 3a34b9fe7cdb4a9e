/**
 * A campaign: so many cases of each kind, from one seed, each in the process of a child that is watched.
 *
 * The child runs one case after the other and says which one it is about to run. One that takes longer than the limit is a hang: the child is ended and another goes on behind it. So is one
 * that runs out of memory or takes the process with it. A case that goes wrong is made smaller before it is told of, as far as that leads to the same fault.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FuzzCase, Kind } from './case';

/** What a child is to do. */
export interface Order {
  readonly seed: number;
  readonly kind: Kind;
  /** The first case, and the one behind the last. */
  readonly from: number;
  readonly to: number;
}

/** What a child says. */
export type Said =
  | { readonly say: 'ready' }
  | { readonly say: 'begin'; readonly index: number }
  | { readonly say: 'end'; readonly index: number; readonly codes: readonly number[]; readonly errors: readonly string[] }
  | { readonly say: 'fault'; readonly index: number; readonly fault: string; readonly smallest: FuzzCase };

/** A case that went wrong. */
export interface Fault {
  readonly kind: Kind;
  readonly index: number;
  readonly what: string;
  /** The smallest case with the same fault that was found; undefined where the process did not survive it. */
  readonly smallest?: FuzzCase;
}

/** What a campaign came to. */
export interface Findings {
  readonly cases: number;
  /** Cases by the exit code of their last command. */
  readonly byCode: ReadonlyMap<number, number>;
  /** Cases by the code of the error they ended with. */
  readonly byError: ReadonlyMap<string, number>;
  readonly slowestMs: number;
  readonly slowest: number;
  readonly faults: readonly Fault[];
}

/** How a campaign is watched. */
export interface Watch {
  /** Time that one case may take, including what it takes to make it smaller. */
  readonly limitMs: number;
  readonly onProgress?: (done: number) => void;
  /** The module that children run. */
  readonly child?: string;
}

/** A campaign with more hangs than this is given up: each takes the whole limit. */
const MAX_HANGS = 20;
/** Old space of a child in MB: a case needs some hundred. */
const MEMORY_MB = 1024;

/** Runs the cases of one kind. */
export async function campaign({ seed, kind, from, to }: Order, watch: Watch): Promise<Findings> {
  const findings = new Collected();
  for (let next = from; next < to && findings.hangs <= MAX_HANGS;) next = await oneChild({ seed, kind, from: next, to }, watch, findings);
  return findings;
}

class Collected implements Findings {
  cases = 0;
  byCode = new Map<number, number>();
  byError = new Map<string, number>();
  slowestMs = 0;
  slowest = -1;
  faults: Fault[] = [];
  hangs = 0;

  end(index: number, ms: number): void {
    this.cases++;
    if (ms <= this.slowestMs) return;
    this.slowestMs = ms;
    this.slowest = index;
  }

  count(codes: readonly number[], errors: readonly string[]): void {
    const [code, error] = [codes.at(-1), errors.at(-1)];
    if (code !== undefined) this.byCode.set(code, (this.byCode.get(code) ?? 0) + 1);
    if (error !== undefined) this.byError.set(error, (this.byError.get(error) ?? 0) + 1);
  }
}

/** Runs cases in one child as far as it comes. @returns the first case it did not come to */
function oneChild(order: Order, { limitMs, onProgress, child = join(__dirname, 'child.js') }: Watch, findings: Collected): Promise<number> {
  const home = mkdtempSync(join(tmpdir(), 'mmulab-fuzz-'));
  const process = fork(child, [], { cwd: home, execArgv: [`--max-old-space-size=${MEMORY_MB}`], stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
  return new Promise((resolve, reject) => {
    let [running, since, next, isHang, lastWords] = [-1, 0, order.from, false, ''];
    let timer: NodeJS.Timeout | undefined;
    const watchFor = (index: number): void => {
      [running, since] = [index, Date.now()];
      clearTimeout(timer);
      timer = setTimeout(() => {
        isHang = true;
        end(process);
      }, limitMs);
    };
    process.stderr?.on('data', (piece: Buffer) => (lastWords = `${lastWords}${piece.toString()}`.slice(-2000)));
    process.on('message', (said: Said) => {
      if (said.say === 'ready') process.send(order);
      else if (said.say === 'begin') watchFor(said.index);
      else {
        findings.end(said.index, Date.now() - since);
        if (said.say === 'end') findings.count(said.codes, said.errors);
        else findings.faults.push({ kind: order.kind, index: said.index, what: said.fault, smallest: said.smallest });
        [running, next] = [-1, said.index + 1];
        clearTimeout(timer);
        onProgress?.(next - order.from);
      }
    });
    process.on('error', reject);
    process.on('exit', (code, signal) => {
      clearTimeout(timer);
      rmSync(home, { recursive: true, force: true });
      if (running >= 0) {
        const what = isHang ? `took more than ${limitMs} ms` : `took the process with it (${signal ?? `exit code ${code}`}): ${lastWords}`;
        findings.end(running, Date.now() - since);
        if (isHang) findings.hangs++;
        findings.faults.push({ kind: order.kind, index: running, what });
        next = running + 1;
      } else if (next < order.to) {
        reject(new Error(`the child of ${order.kind} ${next} ended: ${lastWords}`));
      }
      resolve(next);
    });
  });
}

function end(child: ChildProcess): void {
  child.kill('SIGKILL');
}
