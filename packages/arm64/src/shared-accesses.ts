/**
 * Accesses of all vCPUs to the same memory, in rounds of the engine's blocks.
 *
 * The guest's table pages come first, as far as they are not mapped, so that what happens to a block of memory hangs on that block alone. Then each block is one round:
 * performed in virtual time by whoever drives the backend, or repeated from memory.
 *
 * Models nothing of its own.
 */
import type { Counters, SharedPart, SharedRounds } from '@mmulab/api';
import type { Memslots } from '@mmulab/kvm';
import { Way } from './guest-table-walks';
import type { GuestTableWalks } from './guest-table-walks';
import { SharedProgram, eachSharedStretch } from './shared-program';
import type { Stage2Tables } from './stage2-tables';

const HOST = -1;

/** Shared accesses of one VM. */
export class SharedAccesses {
  constructor(
    private readonly walks: GuestTableWalks,
    private readonly tables: Stage2Tables,
    private readonly slots: Memslots,
    private readonly counters: Counters,
  ) {}

  run(rounds: SharedRounds): void {
    const { walks, tables, slots, counters } = this;
    walks.tablesOnly = true;
    let table = -1;
    for (const part of rounds.parts) table = this.readTables(rounds, part, table);
    walks.tablesOnly = false;
    eachSharedStretch(rounds.parts, walks.layout, slots, (stretches, slot) => {
      const program = new SharedProgram(rounds, stretches, slot, slots, tables.attrs, tables.mm);
      counters.select(HOST);
      if (slot === undefined) program.block(program.first, program.end);
      else tables.run(program, program.first, program.end);
    });
    counters.select(HOST);
  }

  /** All vCPUs read the guest's table pages on their way to a part, a round per last-level table. @param seen the last such table; @returns the same */
  private readTables(rounds: SharedRounds, { vfn: first, count, stride }: SharedPart, seen: number): number {
    const { walks } = this;
    const span = walks.layout.spanOf(1);
    let table = seen;
    for (let index = 0; index < count; index += walks.untilNextTable(first + index * stride, stride)) {
      const vfn = first + index * stride;
      const isNew = Math.floor(vfn / span) !== table;
      table = Math.floor(vfn / span);
      if (isNew && walks.wayTo(vfn) >= Way.Missing) rounds.simulate(vfn, vfn + 1);
    }
    return table;
  }
}
