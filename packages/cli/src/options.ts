/**
 * Options that several commands share.
 */
import type { View } from '@mmulab/report';
import { Option, type Command } from 'commander';
import { badSetting, emptyList, exportWithoutFile, repeatedOption, usage } from './errors';
import type { Terminal } from './terminal';

/** How output is written. */
export interface OutputOptions {
  readonly format: string;
  readonly all?: boolean;
  readonly quiet?: boolean;
  readonly color: boolean;
}

/** Which parts of results are shown. */
export interface SelectionOptions {
  readonly counters?: readonly string[];
  readonly phases?: readonly string[];
}

/** What is loaded beside the built-in plugins. */
export interface PluginOptions {
  readonly plugin?: readonly string[];
}

/** Settings given on the command line. They beat those of configs. */
export interface RunSettings {
  readonly backend?: string;
  readonly kernel?: string;
  readonly vcpus?: string;
  readonly seed?: string;
  readonly set?: readonly Setting[];
  readonly vary?: readonly Setting[];
  /** Files in other formats, laid under the config. */
  readonly import?: readonly string[];
}

/** `key=value` as typed. */
export interface Setting {
  readonly key: string;
  readonly value: string;
}

/** `--export NAME=FILE`, as typed. */
export type ExportSetting = Setting;

/** What `--export` says. */
export interface ExportOptions {
  readonly export?: ExportSetting;
  /** What the trace is to lack, so that a checker has something to find. */
  readonly exportWithout?: string;
}

/** Reads `key=value`. Throws `CLI_BAD_SETTING`. */
export const readPair = (option: string, expected: string, text: string): Setting => {
  const at = text.indexOf('=');
  if (at <= 0) throw badSetting(option, text, expected);
  return { key: text.slice(0, at).trim(), value: text.slice(at + 1) };
};

const collect =
  (option: string, expected: string) =>
  (text: string, before: readonly Setting[] = []): readonly Setting[] => [...before, readPair(option, expected, text)];

/** Adds `--format`, `--all`, `--quiet` and `--no-color`. */
export function addOutputOptions(command: Command): Command {
  return command
    .option('--format <name>', 'table, json, csv, markdown or selftest, or a format that a plugin brings', 'table')
    .option('--all', 'zero counters too, and what is the same in all runs')
    .option('--quiet', 'no notes and no progress')
    .option('--no-color', 'no colours');
}

/** Adds `--counters` and `--phases`. */
export function addSelectionOptions(command: Command): Command {
  const names =
    (option: string) =>
    (text: string): readonly string[] => {
      const found = text.split(',').flatMap(name => name.trim() || []);
      if (found.length === 0) throw emptyList(option, text);
      return found;
    };
  return command
    .option('--counters <a,b>', 'show these counters only; work: those of locks taken, leaves and words gone over, host pages', names('--counters'))
    .option('--phases <a,b>', 'show these phases only (the total stays that of the whole run)', names('--phases'));
}

/** Adds `--plugin`. */
export function addPluginOption(command: Command): Command {
  const append = (name: string, before: readonly string[] = []): readonly string[] => [...before, name];
  return command.option('--plugin <name>', 'load a plugin: a package, a path, or NAME for mmulab-plugin-NAME (repeatable)', append);
}

/** Adds the options that change what runs. @param without those that make no sense for the command */
export function addRunSettings(command: Command, without: readonly string[] = []): Command {
  command
    .option('--backend <name>', 'the second-stage MMU')
    .option('--kernel <profile>', 'the kernel release whose behaviour is taken')
    .option(
      '--set <key=value>',
      'set any option of backend, host or workload, or a dotted path of the config (repeatable)',
      collect('--set', 'key=value'),
    )
    .option(
      '--vary <key=a,b>',
      'one run per value (repeatable: every combination); a value with commas stands in quotes: --vary \'rounds="w,r","w,D,r"\'',
      collect('--vary', 'key=value,value'),
    );
  if (!without.includes('import'))
    command.option(
      '--import <file>',
      'take what a file in another format says, where the config says nothing: module parameters, a VM of Firecracker, libvirt or QEMU, tests.json, .test files (repeatable)',
      (file: string, before: readonly string[] = []): readonly string[] => [...before, file],
    );
  if (!without.includes('vcpus')) command.option('--vcpus <number>', 'number of vCPUs');
  if (!without.includes('seed')) command.option('--seed <number>', 'seed of everything random');
  return command;
}

/** `--html`, as typed. */
export interface HtmlOptions {
  readonly html?: string;
}

/** Adds `--html`. */
export function addHtmlOption(command: Command): Command {
  return command.option('--html <file>', 'write a report as one page that opens from disk');
}

/** Reads a whole number from 1 on. Throws `CLI_USAGE`. */
export function positive(option: string): (text: string) => number {
  return text => {
    const value = Number(text);
    if (Number.isSafeInteger(value) && value >= 1) return value;
    throw usage(`${option} ${text}: expected a whole number from 1 on`);
  };
}

/** Adds `--export`, and for tests of checkers, out of sight, `--export-without`. */
export function addExportOption(command: Command): Command {
  const read = (text: string, before?: ExportSetting): ExportSetting => {
    if (before !== undefined) throw repeatedOption('--export', `${before.key}=${before.value}`, text);
    const setting = readPair('--export', 'NAME=FILE', text);
    if (setting.value === '') throw badSetting('--export', text, 'NAME=FILE');
    return setting;
  };
  return command
    .option('--export <name=file>', 'write a trace of the run for another tool: casemate, for its checker of break-before-make (arm64-stage2)', read)
    .addOption(new Option('--export-without <what>', 'no-break, no-leaf-break, no-tlbi or no-tlbi:N').hideHelp().argParser(readOmission));
}

function readOmission(text: string, before?: string): string {
  if (before !== undefined) throw repeatedOption('--export-without', before, text);
  return text;
}

/** @throws CLI_EXPORT_WITHOUT when something is to be left out of a trace that nobody asked for */
export function checkExportOptions({ export: wanted, exportWithout }: ExportOptions): void {
  if (wanted === undefined && exportWithout !== undefined) throw exportWithoutFile(exportWithout);
}

/** What a reporter has to know. */
export function viewOf(terminal: Terminal, { all = false, color }: OutputOptions): View {
  return { all, color: terminal.color && color, columns: terminal.columns };
}
