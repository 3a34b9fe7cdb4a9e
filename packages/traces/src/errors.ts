/**
 * Everything that traces and recordings are refused for, sorted by code, one message written once.
 */
import { MmulabError } from '@mmulab/api';

const usage = (code: string, message: string): MmulabError => new MmulabError(code, message);

export const recordingIncomplete = (directory: string, problem: string): MmulabError => usage('RECORDING_INCOMPLETE', `${directory}: ${problem}`);

export const recordingNotFound = (directory: string): MmulabError =>
  usage('RECORDING_NOT_FOUND', `${directory}: no such directory; expected one that the script of mmulab record wrote`);

export const recordingTest = (directory: string, test: string, known: readonly string[]): MmulabError =>
  usage(
    'RECORDING_TEST',
    `${directory}: ran ${test}, whose phases cannot be told from a trace; expected ${known.join(', ')} (mmulab replay takes any trace)`,
  );

export const traceBinary = (file: string, what: string): MmulabError =>
  usage('TRACE_BINARY', `${file}: ${what}; expected text of ftrace, trace-cmd report or perf script, plain or .gz`);

export const traceForeign = (file: string, arch: string, backend: string, backendArch: string): MmulabError =>
  usage('TRACE_ARCH', `${file}: a trace of ${arch}, but ${backend} is a backend for ${backendArch}: choose another with --backend`);

export const traceDamaged = (file: string, problem: string): MmulabError => usage('TRACE_DAMAGED', `${file}: ${problem}`);

export const traceEmpty = (file: string, lines: number): MmulabError =>
  usage(
    'TRACE_EMPTY',
    `${file}: ${lines === 0 ? 'no lines' : `none of its ${lines} lines is an event of KVM's MMU`}; expected kvm:kvm_page_fault, kvm:kvm_guest_fault, kvmmmu:* or kprobes on the page-table walkers`,
  );

export const traceNothingToCheck = (file: string, needed: string): MmulabError =>
  usage('TRACE_NOTHING_TO_CHECK', `${file}: no event tells of a changed entry, so there is nothing to compare; expected ${needed}`);

export const traceNotFound = (file: string): MmulabError => usage('TRACE_NOT_FOUND', `${file}: no such file; expected a trace`);

export const traceOption = (option: string, value: string, expected: string): MmulabError =>
  usage('TRACE_OPTION', `${option}: ${value}: expected ${expected}`);

export const traceTool = (file: string, tool: string, problem: string): MmulabError => usage('TRACE_TOOL', `${file}: ${tool}: ${problem}`);

export const traceUndriven = (backend: string, known: readonly string[]): MmulabError =>
  usage('TRACE_UNDRIVEN', `${backend}: this backend is not driven by traces; expected ${known.join(' or ')}`);

export const traceUnreadable = (file: string, problem: string): MmulabError => usage('TRACE_UNREADABLE', `${file}: ${problem}`);

export const traceVcpu = (line: number, vcpu: number, limit: number): MmulabError =>
  usage('TRACE_VCPU', `line ${line}: vCPU ${vcpu}: expected a number below ${limit}`);
