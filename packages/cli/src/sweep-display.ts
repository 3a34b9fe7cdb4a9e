/**
 * What a sweep shows: how far it has come, what failed, and what is there in the end.
 */
import { formatCount } from '@mmulab/report';
import { FAILED_FILE, RESULTS_FILE, type SweepFolder, type SweepPlan, type SweepProgress } from '@mmulab/sweep';
import { join } from 'node:path';
import type { Terminal } from './terminal';

/** A line is drawn this often at most. */
const DRAW_MS = 100;
/** Failed runs that are written out; the folder lists all of them. */
const SHOWN_FAILURES = 10;
/** Notes that are written out, and those that are told apart. */
const SHOWN_NOTES = 10;
const MOST_NOTES = 100;

/** The progress line of a sweep. */
export class SweepDisplay {
  private readonly startedMs = performance.now();
  private drawnMs = 0;
  /** Runs by what is noted of them. */
  private readonly notes = new Map<string, number>();
  private noted = 0;

  constructor(
    private readonly terminal: Terminal,
    private readonly isQuiet: boolean,
  ) {}

  show(now: SweepProgress): void {
    if (this.isQuiet || performance.now() - this.drawnMs < DRAW_MS) return;
    this.drawnMs = performance.now();
    this.terminal.progress({ done: now.done + now.failed, total: now.total, label: progressLabel(now, this.drawnMs - this.startedMs) });
  }

  /** Takes the notes of one run. */
  note(notes: readonly string[]): void {
    this.noted++;
    for (const note of new Set(notes)) {
      const known = this.notes.get(note);
      if (known !== undefined || this.notes.size < MOST_NOTES) this.notes.set(note, (known ?? 0) + 1);
    }
  }

  /** Takes the line away and writes what was noted, and what failed. */
  end(folder: SweepFolder): void {
    this.terminal.progress(undefined);
    if (!this.isQuiet) this.writeNotes(folder);
    const failures = folder.failedRuns(SHOWN_FAILURES);
    for (const { run, settings, code, message } of failures) {
      const what = Object.entries(settings).map(([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
      this.terminal.err(`failed: run ${[run, ...what].join(' ')}: ${code}: ${message}\n`);
    }
    const others = folder.failures - failures.length;
    if (others > 0) this.terminal.err(`failed: ${formatCount(others)} more in ${join(folder.directory, FAILED_FILE)}\n`);
  }

  /** A note of some runs only says of how many. */
  private writeNotes(folder: SweepFolder): void {
    for (const [note, count] of [...this.notes].slice(0, SHOWN_NOTES)) {
      const of = count === this.noted ? '' : ` (${formatCount(count)} of ${runs(this.noted)})`;
      this.terminal.err(`note: ${note}${of}\n`);
    }
    const others = this.notes.size - SHOWN_NOTES;
    if (others > 0) this.terminal.err(`note: ${others} more kinds of notes in ${join(folder.directory, RESULTS_FILE)}\n`);
  }
}

/** `2 running, 1 failed, 30 s left`. */
function progressLabel({ total, done, failed, running, performed }: SweepProgress, elapsedMs: number): string {
  const left = total - done - failed;
  const parts = [`${running} running`, ...(failed === 0 ? [] : [`${formatCount(failed)} failed`])];
  if (performed > 0 && left > 0) parts.push(`${duration((left * elapsedMs) / performed)} left`);
  return parts.join(', ');
}

function duration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 100) return `${seconds} s`;
  return seconds < 6000 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

/** What `--dry-run` says. */
export function planText({ document }: SweepPlan): string {
  const axes = document.axes.map(({ keys, length }) => `  ${keys.join(' + ')}: ${formatCount(length)} ${length === 1 ? 'value' : 'values'}\n`);
  return `${document.name}: ${runs(document.runs)}, every value checked\n${axes.join('')}`;
}

/** What is there in the end. */
export function summaryText(folder: SweepFolder, { total, reused }: SweepProgress): string {
  const parts = [
    `${formatCount(folder.done)} of ${runs(total)} done`,
    ...(reused === 0 ? [] : [`${formatCount(reused)} of them known before`]),
    ...(folder.failures === 0 ? [] : [`${formatCount(folder.failures)} failed`]),
    ...(folder.unmetRuns === 0 ? [] : [`${formatCount(folder.unmetRuns)} short of a threshold or a check`]),
  ];
  return `${parts.join(', ')}: ${join(folder.directory, RESULTS_FILE)}\n`;
}

function runs(count: number): string {
  return `${formatCount(count)} ${count === 1 ? 'run' : 'runs'}`;
}
