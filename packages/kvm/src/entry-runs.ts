/**
 * Entries of a dirty ring, or of a CPU's log of dirty pages, in the order in which they came: as runs, since guests write their pages at equal steps. Hot path: `add`.
 */

/** Neighbouring entries of one memslot whose pages lie `step` apart. */
export interface EntryRun {
  /** Id of the memslot; NO_SLOT for an entry that counts for room alone. */
  readonly slot: number;
  /** Page of the first entry, from the memslot's first. */
  readonly first: number;
  /** Pages from one entry to the next: never 0. */
  step: number;
  count: number;
}

/** No memslot: pages that are not under dirty logging lie in a CPU's log, too. */
export const NO_SLOT = -1;

/** A list of entries. */
export class EntryRuns {
  /** In order. */
  readonly runs: EntryRun[] = [];
  /** Entries of all runs. */
  count = 0;

  /** Appends one entry. */
  add(slot: number, page: number): void {
    this.count++;
    const last = this.runs[this.runs.length - 1];
    if (last?.slot === slot) {
      if (page === last.first + last.step * last.count) {
        last.count++;
        return;
      }
      if (last.count === 1 && page !== last.first) {
        last.step = page - last.first;
        last.count = 2;
        return;
      }
    }
    this.runs.push({ slot, first: page, step: 1, count: 1 });
  }

  /** Appends `count` entries. */
  addRun(slot: number, first: number, step: number, count: number): void {
    if (count === 0) return;
    this.add(slot, first);
    if (count === 1) return;
    this.add(slot, first + step);
    const last = this.runs[this.runs.length - 1];
    // Two entries have told whether the run goes on at this step.
    if (last.step === step && last.first + last.step * (last.count - 1) === first + step) {
      last.count += count - 2;
      this.count += count - 2;
    } else {
      this.addRun(slot, first + 2 * step, step, count - 2);
    }
  }

  /** Appends a list, or its entries in the opposite order. */
  addAll({ runs }: EntryRuns, isReversed = false): void {
    if (!isReversed) for (const { slot, first, step, count } of runs) this.addRun(slot, first, step, count);
    else for (let i = runs.length - 1; i >= 0; i--) this.addReversed(runs[i]);
  }

  clear(): void {
    this.runs.length = 0;
    this.count = 0;
  }

  /** As text: equal lists, equal texts. */
  key(): string {
    return this.runs.map(({ slot, first, step, count }) => `${slot}:${first}+${step}*${count}`).join(' ');
  }

  private addReversed({ slot, first, step, count }: EntryRun): void {
    this.addRun(slot, first + step * (count - 1), -step, count);
  }
}
