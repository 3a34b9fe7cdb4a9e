/**
 * One fuzzed case: files in a directory of its own, and commands that are run there one after the other. What a command may do with input of whatever kind is end with 0, 1 or 2, and
 * when with 2, say why in a message that begins with a code; everything else is a fault.
 */
import { ExitCode, runAnyCommand } from '@mmulab/cli';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Kinds of cases. */
export const KINDS = ['config', 'command', 'record'] as const;
export type Kind = (typeof KINDS)[number];

/** Files, and what is run beside them. */
export interface FuzzCase {
  /** Text by path, relative to the case's directory. */
  readonly files: Readonly<Record<string, string>>;
  /** Arguments after `mmulab`. */
  readonly commands: readonly (readonly string[])[];
  /** What the first command accepts the second has to accept too: it may end with 1 and not with 2. */
  readonly together?: boolean;
}

/** What a case came to. */
export interface Outcome {
  /** Exit codes of its commands. */
  readonly codes: readonly number[];
  /** Codes of the errors they ended with, where they ended with one. */
  readonly errors: readonly string[];
  /** What was wrong, with the command it was wrong of. */
  readonly fault?: string;
}

/** Words of errors that nobody raised on purpose. None of the texts that cases are made of holds one. */
const RAW =
  /\b(?:Type|Range|Reference|Syntax|Eval|URI|Internal)Error\b|Cannot read prop|is not a function|is not iterable|Maximum call stack|Invalid array length|Invalid string length/;
const MESSAGE = /^mmulab: ([A-Z][A-Z0-9_]+): /m;

/**
 * Runs a case in the current directory, which is emptied of its files afterwards.
 * @param number tells the directories of cases apart: what a plugin's file held is remembered by its path
 */
export async function runCase({ files, commands, together = false }: FuzzCase, number: number): Promise<Outcome> {
  const directory = `case-${number}`;
  const home = process.cwd();
  mkdirSync(directory, { recursive: true });
  process.chdir(directory);
  try {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, text);
    }
    return await runAll(commands, together);
  } finally {
    process.chdir(home);
    rmSync(join(home, directory), { recursive: true, force: true });
  }
}

async function runAll(commands: FuzzCase['commands'], together: boolean): Promise<Outcome> {
  const codes: number[] = [];
  const errors: string[] = [];
  for (const argv of commands) {
    const { code, err, thrown } = await runOne(argv);
    const name = code === ExitCode.Ok ? undefined : MESSAGE.exec(err)?.[1];
    codes.push(code);
    if (name !== undefined) errors.push(name);
    const problem = thrown ?? faultOf(code, err, name) ?? (together && codes.length > 1 && code === ExitCode.Usage ? refusedLate(err) : undefined);
    if (problem !== undefined) return { codes, errors, fault: `${problem}\n(mmulab ${argv.map(word => JSON.stringify(word)).join(' ')})` };
    if (together && code !== ExitCode.Ok) break;
  }
  return { codes, errors };
}

function refusedLate(err: string): string {
  return `refused, having been found valid: ${err}`;
}

async function runOne(argv: readonly string[]): Promise<{ readonly code: number; readonly err: string; readonly thrown?: string }> {
  let err = '';
  try {
    const code = await runAnyCommand(argv, {
      columns: 120,
      color: false,
      out: () => undefined,
      err: text => (err += text),
      progress: () => undefined,
    });
    return { code, err };
  } catch (error) {
    return { code: ExitCode.Internal, err, thrown: `threw ${error instanceof Error ? (error.stack ?? error.message) : String(error)}` };
  }
}

/** What is wrong with how a command ended; undefined when nothing is. @param name code of the error it told of */
export function faultOf(code: number, err: string, name: string | undefined): string | undefined {
  const text = err.length > 3000 ? `${err.slice(0, 3000)} …` : err;
  if (code !== ExitCode.Ok && code !== ExitCode.Failed && code !== ExitCode.Usage) return `ended with ${code}: ${text}`;
  // What a plugin's own file throws is told in its words.
  if (name?.startsWith('PLUGIN_') !== true && RAW.test(err)) return `told of an error that nobody raised on purpose: ${text}`;
  if (code === ExitCode.Usage && name === undefined && !err.startsWith('Usage:')) return `ended with 2 and no error that has a code: ${text}`;
  return undefined;
}
