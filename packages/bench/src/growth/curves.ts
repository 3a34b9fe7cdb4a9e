/**
 * Along what a run's cost grows: one curve for each quantity, all else as it is.
 *
 * Every point is one whole command, from start-up to report, as a user types it.
 */

/** One curve. */
export interface Curve {
  readonly name: string;
  /** What grows, with its unit. */
  readonly axis: string;
  /** Values of the axis, ascending. */
  readonly values: readonly number[];
  /** Arguments of `mmulab run` for a value. */
  command(value: number): readonly string[];
}

const DIRTY_LOG = 'dirty_log_perf_test';
const GIB_PER_TIB = 1024;

function powers(base: number, first: number, last: number): readonly number[] {
  const values: number[] = [];
  for (let exponent = first; exponent <= last; exponent++) values.push(base ** exponent);
  return values;
}

function dirtyLog(...args: readonly string[]): readonly string[] {
  return ['--', DIRTY_LOG, ...args];
}

/** All of them. */
export const CURVES: readonly Curve[] = [
  {
    name: 'vCPUs',
    axis: 'vCPUs, 1 GiB each',
    values: [...powers(4, 0, 4), 512],
    command: vcpus => dirtyLog('-v', `${vcpus}`, '-b', '1G', '-s', 'anonymous'),
  },
  {
    name: 'memory',
    axis: 'GiB in all, 16 vCPUs',
    values: powers(4, 0, 7),
    command: gib => dirtyLog('-v', '16', '-b', `${gib * 64}M`, '-s', 'anonymous_hugetlb_1gb', '-g'),
  },
  {
    name: 'pattern',
    axis: 'GiB in all, 64 vCPUs, every 20th page',
    values: [...powers(4, 3, 6), 12 * GIB_PER_TIB],
    command: gib => dirtyLog('-v', '64', '-b', `${gib * 16}M`, '-s', 'anonymous_hugetlb_1gb', '-g', '-f', '20'),
  },
  {
    name: 'write share',
    axis: '% writes, 4 vCPUs, 256 MiB each',
    values: [1, 5, 10, 25, 50, 75, 100],
    command: percent => dirtyLog('-v', '4', '-b', '256M', '-s', 'anonymous', '-w', `${percent}`, '-a'),
  },
  {
    name: 'iterations',
    axis: 'rounds, 16 vCPUs, 64 MiB each',
    values: [2, 10, 100, 1000],
    command: rounds => dirtyLog('-v', '16', '-b', '64M', '-s', 'anonymous', '-i', `${rounds}`),
  },
  {
    name: 'memslots',
    axis: 'memslots, 4 vCPUs, 256 MiB each',
    values: powers(4, 0, 7),
    command: slots => dirtyLog('-v', '4', '-b', '256M', '-s', 'anonymous', '-x', `${slots}`),
  },
  {
    name: 'shared pages',
    axis: 'MiB shared by 8 vCPUs, 6.1.192',
    values: powers(2, 2, 7),
    command: mib => ['--kernel', '6.1.192', ...dirtyLog('-o', '-v', '8', '-b', `${mib}M`, '-s', 'anonymous', '-g')],
  },
];
