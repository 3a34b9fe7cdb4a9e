/**
 * From bytes to events, line by line, whatever the size: ftrace's text, `trace-cmd report`, `perf script`.
 *
 * The three agree on `task-pid [cpu] flags time: event: fields`, with the pid behind a dash or behind spaces, flags or none, and a group before the event's name or none. Names are told by a sum over
 * their bytes, so that a line costs no string; the first line of each name is looked at in full. What cannot be read is counted by kind, with one example each. Hot path.
 */
import { eventReader } from './event-kinds';
import type { EventReader } from './event-kinds';
import { Scan } from './scan';
import { Kind, TraceEvent } from './trace-event';

const SPACE = 0x20;
const DOT = 0x2e;
const COLON = 0x3a;
const BRACKET = 0x5b;
const PARENTHESIS = 0x28;
const BRACKET_END = 0x5d;
const HASH = 0x23;
const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;
/** A longer line is no event. */
const MAX_LINE_BYTES = 1 << 16;
/** Longest prefix of a line in which its [cpu] is looked for. */
const MAX_TASK_BYTES = 96;

/** Takes events. The object is used again for the next line. */
export type EventSink = (event: TraceEvent) => void;

/** An event's name as met in the trace. */
export interface EventCount {
  readonly name: string;
  readonly kind: number;
  lines: number;
  /** Lines whose fields could not be read. */
  damaged: number;
  /** The first such line's number and text. */
  example: { readonly line: number; readonly text: string } | undefined;
}

interface NamedEvent extends EventCount {
  readonly reader: EventReader;
}

/** What the lines of a trace came to. */
export interface LineCounts {
  lines: number;
  comments: number;
  /** Lines that are neither comment nor event, with an example. */
  unreadable: number;
  example: { readonly line: number; readonly text: string } | undefined;
  /** Lines whose time is before that of a line above. */
  outOfOrder: number;
  firstOutOfOrder: number;
  /** Events that the recorder says it lost, and where it first says so. */
  lost: number;
  firstLost: number;
}

/** Reads one trace. */
export class TraceParser {
  readonly counts: LineCounts = {
    lines: 0,
    comments: 0,
    unreadable: 0,
    example: undefined,
    outOfOrder: 0,
    firstOutOfOrder: 0,
    lost: 0,
    firstLost: 0,
  };
  private readonly names = new Map<number, NamedEvent>();
  private readonly event = new TraceEvent();
  private readonly scan = new Scan();
  private carry: Uint8Array | undefined = undefined;
  private lastTimeNs = 0;

  constructor(private readonly sink: EventSink) {}

  /** The next bytes. */
  feed(bytes: Uint8Array): void {
    let from = this.carry === undefined ? 0 : this.completeLine(this.carry, bytes);
    if (from < 0) return;
    for (let to = bytes.indexOf(NEWLINE, from); to >= 0; to = bytes.indexOf(NEWLINE, from)) {
      this.line(bytes, from, to);
      from = to + 1;
    }
    this.keep(bytes.subarray(from));
  }

  /** The line whose beginning the last bytes brought. @returns where the next one begins, or -1 when it does not end yet */
  private completeLine(carry: Uint8Array, bytes: Uint8Array): number {
    const to = bytes.indexOf(NEWLINE);
    const line = joined(carry, bytes.subarray(0, to < 0 ? bytes.length : to));
    this.keep(to < 0 ? line : line.subarray(0, 0));
    if (to >= 0) this.line(line, 0, line.length);
    return to < 0 ? -1 : to + 1;
  }

  /** Keeps the beginning of a line; of one without an end no more than shows what it is. */
  private keep(tail: Uint8Array): void {
    this.carry = tail.length === 0 ? undefined : Uint8Array.from(tail.subarray(0, MAX_LINE_BYTES + 1));
  }

  /** The bytes are at an end. */
  end(): void {
    if (this.carry !== undefined) this.line(this.carry, 0, this.carry.length);
    this.carry = undefined;
  }

  /** All events met, by name, those that occur most first. */
  events(): readonly EventCount[] {
    return [...this.names.values()].sort((a, b) => b.lines - a.lines || (a.name < b.name ? -1 : 1));
  }

  private line(bytes: Uint8Array, from: number, lineEnd: number): void {
    const { counts } = this;
    counts.lines++;
    let end = lineEnd;
    while (end > from && (bytes[end - 1] === CARRIAGE_RETURN || bytes[end - 1] === SPACE)) end--;
    if (end === from || bytes[from] === HASH) {
      counts.comments++;
      return;
    }
    const event = this.event;
    event.line = counts.lines;
    const at = end - from > MAX_LINE_BYTES ? -1 : this.header(bytes, from, end);
    if (at < 0) this.strange(bytes, from, end);
    else this.body(bytes, at, end, from);
  }

  /** Task, CPU and time. @returns where the event's name begins, or -1 */
  private header(bytes: Uint8Array, from: number, end: number): number {
    const event = this.event;
    const limit = Math.min(end, from + MAX_TASK_BYTES);
    let at = from;
    for (;;) {
      while (at < limit && bytes[at] !== BRACKET) at++;
      if (at >= limit) return -1;
      let cpu = 0;
      let digits = at + 1;
      while (digits < end && isDigit(bytes[digits])) cpu = cpu * 10 + (bytes[digits++] - 0x30);
      if (digits > at + 1 && bytes[digits] === BRACKET_END && bytes[digits + 1] === SPACE) {
        event.cpu = cpu;
        if (!this.task(bytes, from, at)) return -1;
        at = digits + 2;
        break;
      }
      at++;
    }
    return this.time(bytes, at, end);
  }

  /** The pid before the [cpu], behind a dash or spaces; a thread group in brackets may follow it. */
  private task(bytes: Uint8Array, from: number, bracket: number): boolean {
    let at = bracket - 1;
    while (at > from && bytes[at] === SPACE) at--;
    if (bytes[at] === 0x29) {
      while (at > from && bytes[at] !== 0x28) at--;
      at--;
      while (at > from && bytes[at] === SPACE) at--;
    }
    let pid = 0;
    let factor = 1;
    const last = at;
    for (; at >= from && isDigit(bytes[at]); at--) {
      pid += (bytes[at] - 0x30) * factor;
      factor *= 10;
    }
    if (at === last) return false;
    this.event.tid = pid;
    return true;
  }

  /** Flags, if any, and the time. @returns where the event's name begins, or -1 */
  private time(bytes: Uint8Array, start: number, end: number): number {
    let at = start;
    while (at < end && bytes[at] === SPACE) at++;
    for (let words = 0; words < 2; words++) {
      let number = 0;
      let digits = at;
      while (digits < end && isDigit(bytes[digits])) number = number * 10 + (bytes[digits++] - 0x30);
      if (digits > at && bytes[digits] === DOT && digits + 1 < end && isDigit(bytes[digits + 1])) {
        return this.fraction(bytes, number, digits + 1, end);
      }
      // Not a time: the latency flags.
      while (at < end && bytes[at] !== SPACE) at++;
      while (at < end && bytes[at] === SPACE) at++;
    }
    return -1;
  }

  private fraction(bytes: Uint8Array, seconds: number, start: number, end: number): number {
    let at = start;
    let fraction = 0;
    let scale = 1e9;
    for (; at < end && isDigit(bytes[at]); at++) {
      scale /= 10;
      fraction += (bytes[at] - 0x30) * scale;
    }
    if (bytes[at] !== COLON) return -1;
    const timeNs = seconds * 1e9 + Math.round(fraction);
    this.event.timeNs = timeNs;
    if (timeNs < this.lastTimeNs) {
      if (this.counts.outOfOrder++ === 0) this.counts.firstOutOfOrder = this.counts.lines;
    } else {
      this.lastTimeNs = timeNs;
    }
    at++;
    while (at < end && bytes[at] === SPACE) at++;
    return at;
  }

  /** The event's name and its fields. @param lineStart for the example of a damaged line */
  private body(bytes: Uint8Array, start: number, end: number, lineStart: number): void {
    let at = start;
    let hash = 17;
    for (; at < end; at++) {
      const byte = bytes[at];
      if (byte === COLON && (at + 1 >= end || bytes[at + 1] === SPACE)) break;
      if (byte === SPACE || byte === PARENTHESIS) break;
      hash = (Math.imul(hash, 31) + byte) | 0;
    }
    const scan = this.scan;
    scan.bytes = bytes;
    scan.end = end;
    if (at >= end || bytes[at] !== COLON) {
      if (!this.syscall(start)) this.strange(bytes, lineStart, end);
      return;
    }
    scan.pos = at + 1;
    scan.skipSpaces();
    const named = this.names.get(hash) ?? this.meet(hash, bytes, start, at);
    named.lines++;
    const event = this.event;
    event.kind = named.kind;
    if (named.kind === Kind.Other) return;
    if (named.reader.read(scan, event)) {
      this.sink(event);
      return;
    }
    if (named.damaged++ === 0) named.example = { line: this.counts.lines, text: scan.text(lineStart, end) };
  }

  /** System calls are printed without an event's name: `sys_ioctl(fd: 4, cmd: ae80, arg: 0)`, `sys_ioctl -> 0x0`. @returns whether it is one */
  private syscall(start: number): boolean {
    const { scan, event } = this;
    const match = /^sys_(\w+)(?:\(.*?\bcmd: (?:0x)?([0-9a-f]+)| -> (?:0x)?([0-9a-f]+)|\()/.exec(scan.text(start, Math.min(scan.end, start + 120)));
    if (match === null) return false;
    const [, name, cmd, result] = match;
    if (name !== 'ioctl' || (cmd === undefined && result === undefined)) return true;
    event.kind = cmd === undefined ? Kind.IoctlReturn : Kind.Ioctl;
    event.value = parseInt(cmd ?? result ?? '0', 16);
    this.sink(event);
    return true;
  }

  private meet(hash: number, bytes: Uint8Array, start: number, end: number): NamedEvent {
    const { scan } = this;
    const full = scan.text(start, end);
    const name = full.slice(full.lastIndexOf(':') + 1);
    const reader = eventReader(name, scan.text(scan.pos, scan.end));
    const named: NamedEvent = { name, kind: reader.kind, reader, lines: 0, damaged: 0, example: undefined };
    this.names.set(hash, named);
    return named;
  }

  /** A line that is no event: what the recorder says of lost ones, or something else. */
  private strange(bytes: Uint8Array, from: number, end: number): void {
    const { counts, scan } = this;
    const text = scanText(bytes, from, Math.min(end, from + 200));
    const lost = /LOST (\d+) EVENTS|\[(\d+) EVENTS (?:DROPPED|LOST)\]|PERF_RECORD_LOST\D*(\d+)/i.exec(text);
    if (lost !== null) {
      counts.lost += Number(lost[1] ?? lost[2] ?? lost[3]);
      if (counts.firstLost === 0) counts.firstLost = counts.lines;
      this.event.kind = Kind.Lost;
      this.sink(this.event);
      return;
    }
    if (/^(cpus=\d+|version = \d+|CPU \d+ is empty)$/.test(text)) {
      counts.comments++;
      return;
    }
    scan.pos = from;
    counts.unreadable++;
    counts.example ??= { line: counts.lines, text };
  }
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

function scanText(bytes: Uint8Array, from: number, to: number): string {
  return String.fromCharCode(...bytes.subarray(from, to));
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}
