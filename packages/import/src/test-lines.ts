/**
 * Command lines of tests as people write them down: with `taskset`, `sudo` and settings of the environment before them, a comment behind them, `$(nproc)` in
 * them.
 */
import { basename } from 'node:path';
import { splitCommand } from '@mmulab/runner';

/** Programs that run another, and how many words of their own follow each of their options. */
const RUNNERS: Readonly<Record<string, readonly string[]>> = {
  chrt: ['-T', '-P', '-D', '-p'],
  env: ['-u', '-C'],
  ionice: ['-c', '-n', '-p'],
  nice: ['-n'],
  nohup: [],
  numactl: ['-C', '-N', '-m', '-i', '-p'],
  perf: ['-e', '-o', '-x', '-r', '-C', '-I', '--filter'],
  setarch: [],
  stdbuf: ['-i', '-o', '-e'],
  sudo: ['-u', '-g'],
  taskset: ['-p'],
  time: ['-f', '-o'],
  timeout: ['-k', '-s'],
};
/** Runners of which one word without a dash comes before the command: a mask, a priority, a duration. */
const WITH_OPERAND: Readonly<Record<string, readonly string[]>> = { taskset: ['-c', '--cpu-list'], chrt: [], timeout: [], setarch: [] };
const CPUS = /\$\(\s*(?:nproc(?: --all)?|grep -c \^processor \/proc\/cpuinfo|getconf _NPROCESSORS_ONLN)\s*\)|`nproc`/g;

/** What a line says. */
export type TestLine =
  | { readonly words: readonly string[]; readonly cpus: boolean }
  /** Why it is no command line of a test. */
  | { readonly problem: string };

/**
 * Reads a line of shell as the command line of one test.
 * @param cpus what `$(nproc)` stands for
 * @throws WORKLOAD_COMMAND when a quote is left open
 */
export function readTestLine(line: string, tests: ReadonlySet<string>, cpus: number): TestLine {
  const counted = line.replace(CPUS, String(cpus));
  const plain = withoutComment(counted);
  const shell = /[|&;<>`]|\$[({A-Za-z_]/.exec(plain.replace(/'[^']*'|"[^"]*"/g, ''))?.[0];
  if (shell !== undefined) return { problem: `only a shell knows what ${shell} does` };
  const words = testWords(splitCommand(plain), tests);
  return words === undefined ? { problem: 'not a test that can be run' } : { words, cpus: counted !== line };
}

/** A comment begins at a # that no word stands before, outside of quotes. */
function withoutComment(line: string): string {
  for (const { 0: part, index } of line.matchAll(/'[^']*'|"(?:[^"\\]|\\.)*"|\\.|(?:^|\s)#/g))
    if (part.endsWith('#') && !/^['"\\]/.test(part)) return line.slice(0, index);
  return line;
}

/** The words of a test's own command line, what runs it left out; undefined when no known test is in them. */
export function testWords(words: readonly string[], tests: ReadonlySet<string>): readonly string[] | undefined {
  let at = 0;
  while (at < words.length) {
    const word = words[at] ?? '';
    const name = basename(word);
    if (tests.has(name)) return [name, ...words.slice(at + 1)];
    if (/^\w+=/.test(word)) at++;
    else if (Object.hasOwn(RUNNERS, name)) at = afterRunner(words, at, name);
    else return undefined;
  }
  return undefined;
}

function afterRunner(words: readonly string[], start: number, name: string): number {
  // What perf is to do stands before its options.
  let at = start + (name === 'perf' ? 2 : 1);
  const takes = RUNNERS[name] ?? [];
  const list = WITH_OPERAND[name] ?? [];
  let isOperandGiven = !Object.hasOwn(WITH_OPERAND, name);
  while (words[at]?.startsWith('-') === true) {
    const option = words[at++] ?? '';
    if (option === '--') return at;
    if (takes.includes(option)) at++;
    if (list.includes(option)) [at, isOperandGiven] = [at + 1, true];
  }
  return isOperandGiven ? at : at + 1;
}
