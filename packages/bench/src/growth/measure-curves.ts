/**
 * Measures curves: each point a process of its own that runs the `mmulab` command, its CPU time that of all its threads, the least of several repetitions.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { childFailed } from '../errors';
import type { Curve } from './curves';

/** What a command has cost. */
export interface Cost {
  /** User and system time of the process. */
  readonly cpuSeconds: number;
  /** The most memory it has held. */
  readonly rssMegabytes: number;
}

/** One point of a curve. */
export interface Point extends Cost {
  readonly value: number;
}

/** A measured curve. */
export interface MeasuredCurve {
  readonly name: string;
  readonly axis: string;
  /** The command of the last point. */
  readonly command: string;
  readonly points: readonly Point[];
}

const COMMAND = join(__dirname, '..', '..', '..', 'cli', 'bin', 'mmulab.js');
const HOOK = join(__dirname, 'cost-hook.js');

/** Measures a curve. @param repetitions of each point, of which the cheapest counts; @throws BENCH_CHILD */
export function measureCurve(curve: Curve, repetitions: number): MeasuredCurve {
  const points = curve.values.map(value => ({ value, ...cheapest(curve.command(value), repetitions) }));
  const last = curve.command(curve.values[curve.values.length - 1]);
  return { name: curve.name, axis: curve.axis, command: ['mmulab', 'run', ...last].join(' '), points };
}

function cheapest(args: readonly string[], repetitions: number): Cost {
  const costs = Array.from({ length: repetitions }, () => costOf(args));
  const least = (of: (cost: Cost) => number): number => Math.min(...costs.map(of));
  return { cpuSeconds: round(least(cost => cost.cpuSeconds)), rssMegabytes: Math.round(least(cost => cost.rssMegabytes)) };
}

function costOf(args: readonly string[]): Cost {
  const { status, stderr, output } = spawnSync(process.execPath, ['--require', HOOK, COMMAND, 'run', '--quiet', ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
  });
  if (status !== 0) throw childFailed(args.join(' '), stderr);
  return JSON.parse(output[3] ?? '') as Cost;
}

function round(seconds: number): number {
  return Math.round(seconds * 100) / 100;
}
