/**
 * Versions: whoever has looked at something once for many times learns by them whether it still stands. Hot path.
 */

/** Counts changes of what somebody has looked at once for many times. */
export class Version {
  now = 0;
  /** What holds no longer than this: counted up too. */
  within: Version | undefined = undefined;

  /** Something has changed. */
  bump(): void {
    this.now++;
    if (this.within !== undefined) this.within.now++;
  }
}
