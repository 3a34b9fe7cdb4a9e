/**
 * `npm run fuzz`: configs, command lines and records that nobody means, and what mmulab makes of them.
 *
 *   npm run fuzz -- [--seed N] [--configs N] [--commands N] [--records N] [--short] [--only KIND:INDEX] [--limit MS]
 *
 * Ends with 1 when one of them ends with 3, is told of in the words of an error that nobody raised on purpose, takes longer than the limit, or is accepted by `validate` and refused
 * by `run`. Every such case is printed with seed, number, files and commands.
 */
import { parseArgs } from 'node:util';
import { campaign, type Fault, type Findings } from './campaign';
import { KINDS, type FuzzCase, type Kind } from './case';
import { caseAt, casesOf, kindOf } from './cases';

const SHORT: Readonly<Record<Kind, number>> = { config: 120, command: 120, record: 80 };
const LONG: Readonly<Record<Kind, number>> = { config: 20_000, command: 20_000, record: 5000 };
const LIMIT_MS = 30_000;
const PROGRESS_EVERY = 1000;
/** Faults of one kind that are shown whole. */
const SHOWN = 2;

interface Settings {
  readonly seed: number;
  readonly limitMs: number;
  readonly counts: Readonly<Record<Kind, number>>;
  readonly only: { readonly kind: Kind; readonly index: number } | undefined;
}

function readSettings(argv: readonly string[]): Settings {
  const text = { type: 'string' as const };
  const { values } = parseArgs({
    args: [...argv],
    options: { seed: text, configs: text, commands: text, records: text, short: { type: 'boolean' }, only: text, limit: text },
  });
  const counts = values.short === true ? SHORT : LONG;
  const [kind, index] = (values.only ?? '').split(':');
  return {
    seed: numberOf('--seed', values.seed, 1),
    limitMs: numberOf('--limit', values.limit, LIMIT_MS),
    counts: {
      config: numberOf('--configs', values.configs, counts.config),
      command: numberOf('--commands', values.commands, counts.command),
      record: numberOf('--records', values.records, counts.record),
    },
    only: values.only === undefined ? undefined : { kind: kindNamed(kind), index: numberOf('--only', index, 0) },
  };
}

function numberOf(name: string, value: string | undefined, otherwise: number): number {
  if (value === undefined) return otherwise;
  const number = Number(value);
  if (value === '' || !Number.isSafeInteger(number)) throw new Error(`${name} ${value}: expected a whole number`);
  return number;
}

function kindNamed(name: string): Kind {
  const kind = KINDS.find(one => one === name);
  if (kind === undefined) throw new Error(`--only ${name}: expected ${KINDS.join(', ')}, a colon and a number`);
  return kind;
}

async function main(argv: readonly string[]): Promise<number> {
  const settings = readSettings(argv);
  let faults = 0;
  for (const kind of KINDS) {
    const only = settings.only?.kind === kind ? settings.only.index : undefined;
    if (settings.only !== undefined && only === undefined) continue;
    const [from, to] = only === undefined ? [0, settings.counts[kind]] : [only, only + 1];
    const started = Date.now();
    const onProgress = (done: number): void => {
      if (done % PROGRESS_EVERY === 0) console.error(`${kind}: ${done} of ${to - from}, ${Math.round((Date.now() - started) / 1000)} s`);
    };
    const findings = await campaign({ seed: settings.seed, kind, from, to }, { limitMs: settings.limitMs, onProgress });
    report(kind, findings, settings, Date.now() - started);
    faults += findings.faults.length;
  }
  console.log(faults === 0 ? 'no faults' : `${faults} faults`);
  return faults === 0 ? 0 : 1;
}

function report(kind: Kind, findings: Findings, settings: Settings, ms: number): void {
  const { cases, byCode, byError, slowest, slowestMs, faults } = findings;
  const codes = [...byCode].sort(([a], [b]) => a - b).map(([code, count]) => `${count} ended with ${code}`);
  const all = settings.only === undefined ? settings.counts[kind] : 1;
  const givenUp = cases < all ? ` (given up: ${all - cases} not run)` : '';
  console.log(
    `${kind}: seed ${settings.seed}, ${cases} cases${givenUp} in ${Math.round(ms / 1000)} s, ${[...codes, `${faults.length} faults`].join(', ')}`,
  );
  const errors = [...byError].sort(([, a], [, b]) => b - a).map(([name, count]) => `${name} ${count}`);
  console.log(`  ${errors.length} error codes: ${errors.join(', ')}`);
  console.log(`  the slowest case took ${slowestMs} ms (--only ${kind}:${slowest})`);
  const kinds = new Map<string, Fault[]>();
  for (const fault of faults) kinds.set(kindOf(fault.what), [...(kinds.get(kindOf(fault.what)) ?? []), fault]);
  for (const [name, some] of kinds) {
    console.log(`\n${some.length} x ${name}`);
    for (const fault of some.slice(0, SHOWN)) show(fault, settings);
  }
}

function show({ kind, index, what, smallest }: Fault, { seed }: Settings): void {
  const one = smallest ?? caseAt(casesOf(kind), seed, index);
  console.log(`  again: npm run fuzz -- --seed ${seed} --only ${kind}:${index}`);
  for (const line of described(one)) console.log(`  ${line}`);
  console.log(`  ${what.split('\n').slice(0, 14).join('\n  ')}\n`);
}

function described({ files, commands }: FuzzCase): string[] {
  const cut = (text: string): string => (text.length > 1500 ? `${text.slice(0, 1500)} … (${text.length} characters)` : text);
  const named = Object.entries(files).filter(
    ([path]) => commands.some(words => words.includes(path)) || /^(config|base|d\d|[ab])\.|index\.js/.test(path),
  );
  return [
    ...named.map(([path, text]) => `${path}: ${cut(JSON.stringify(text))}`),
    ...commands.map(words => `mmulab ${cut(words.map(word => JSON.stringify(word)).join(' '))}`),
  ];
}

main(process.argv.slice(2)).then(
  code => {
    process.exitCode = code;
  },
  (error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 2;
  },
);
