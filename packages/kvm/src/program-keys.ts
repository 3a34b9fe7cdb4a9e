/**
 * Keys of lifted programs: equal constants, equal number. One table per engine, so that no two programs of it can share a key by accident.
 */

/** Texts as small numbers, in the order of their first use. */
export class ProgramKeys {
  private readonly keys = new Map<string, number>();

  /** @param text all constants a program's outcome depends on, its kind among them */
  of(text: string): number {
    let key = this.keys.get(text);
    if (key === undefined) {
      key = this.keys.size;
      this.keys.set(text, key);
    }
    return key;
  }
}
