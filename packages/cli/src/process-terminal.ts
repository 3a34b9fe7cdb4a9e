/**
 * The terminal of this process: standard output, standard error, a progress bar on the latter.
 */
import { isDirect, isTerminal, writeDirectly } from './direct-output';
import type { ProgressBar } from './progress-bar';
import type { Progress, Terminal, TerminalLook } from './terminal';

/** Width taken when the output is no terminal. */
const PIPE_COLUMNS = 120;

/** Progress is worth showing after this time. */
const SHOW_AFTER_MS = 400;

/** Writes to the process's own streams. */
export class ProcessTerminal implements Terminal, TerminalLook {
  readonly columns: number;
  readonly color: boolean;
  readonly showsProgress = isTerminal(2);
  private bar: ProgressBar | undefined;
  private latest: Progress | undefined;
  private timer: NodeJS.Timeout | undefined;
  private readonly isDirect = isDirect(1);
  private isHeard = false;

  /** @param onError hears of a pipe whose reader has gone, and of other output that Node's streams could not write */
  constructor(private readonly onError: (error: NodeJS.ErrnoException) => void) {
    if (!this.isDirect) process.stdout.on('error', onError);
    const { env } = process;
    // No terminal has no `isTTY` at all, whatever its type says.
    const isShown = !this.isDirect && Boolean(process.stdout.isTTY);
    this.columns = isShown ? process.stdout.columns : PIPE_COLUMNS;
    this.color = isSet(env['NO_COLOR']) ? false : isSet(env['FORCE_COLOR']) || (isShown && env['TERM'] !== 'dumb');
  }

  /** @param done called when the text has been taken, or never will be; @throws OUTPUT_UNWRITABLE */
  out(text: string, done?: () => void): void {
    this.bar?.hide();
    if (!this.isDirect) process.stdout.write(text, done);
    else writeDirectly(1, text);
  }

  err(text: string): void {
    this.bar?.hide();
    this.stderr.write(text);
  }

  progress(progress: Progress | undefined): void {
    this.latest = progress;
    if (progress === undefined) {
      clearTimeout(this.timer);
      this.timer = undefined;
      this.bar?.hide();
    } else if (this.showsProgress && this.bar === undefined) {
      // A first phase may take long: the bar appears when it is time, not when the next phase begins.
      this.timer ??= setTimeout(() => this.showBar(), SHOW_AFTER_MS);
    } else {
      this.bar?.show(progress);
    }
  }

  /** Opened when there is something to be said. */
  private get stderr(): NodeJS.WriteStream {
    if (!this.isHeard) process.stderr.on('error', this.onError);
    this.isHeard = true;
    return process.stderr;
  }

  private showBar(): void {
    if (this.latest === undefined || !this.stderr.isTTY) return;
    this.bar ??= createBar();
    this.bar.show(this.latest);
  }
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && value !== '' && value !== '0';
}

/** Loaded when there is something to show: most runs are over before. */
function createBar(): ProgressBar {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- a command that shows no bar does not load one
  const { ProgressBar: Bar } = require('./progress-bar') as { ProgressBar: new () => ProgressBar };
  return new Bar();
}
