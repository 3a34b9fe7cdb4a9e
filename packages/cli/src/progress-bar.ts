/**
 * A progress bar on standard error that makes room for other output.
 */
import { SingleBar } from 'cli-progress';
import type { Progress } from './terminal';

const FORMAT = '{bar} {value}/{total} {duration_formatted} {label}';
const BAR_WIDTH = 24;

export class ProgressBar {
  private readonly bar = new SingleBar({
    format: FORMAT,
    barsize: BAR_WIDTH,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    hideCursor: true,
    clearOnComplete: true,
    stream: process.stderr,
  });

  /** Draws the bar, or moves it on. */
  show({ done, total, label }: Progress): void {
    if (this.bar.isActive) {
      this.bar.setTotal(total);
      this.bar.update(done, { label });
    } else {
      this.bar.start(total, done, { label });
    }
  }

  /** Takes the bar off the screen; the next `show` draws it again. */
  hide(): void {
    if (this.bar.isActive) this.bar.stop();
  }
}
