import { ACCESS_DONE, AccessKind } from '@mmulab/api';
import { PendingAccesses } from './pending-access';
import type { GuestWalks, StagedPath } from './pending-access';

/** Table frames 103 to 101 before data frame 7; the page of level 2 needs no touch. Every touched frame faults once, in two stages. */
class Lab implements GuestWalks, StagedPath {
  readonly tableAccess = AccessKind.Read;
  readonly starts: string[] = [];

  levels(): number {
    return 3;
  }

  frameAt(_vcpu: number, level: number, vfn: number): number {
    return level === 2 ? -1 : level === 0 ? vfn : 100 + level;
  }

  start(vcpu: number, gfn: number, kind: number, guestTable: number): number {
    this.starts.push(`vcpu ${vcpu}: ${gfn} kind ${kind}${guestTable === 1 ? ' table' : ''}`);
    return gfn === 101 ? ACCESS_DONE : 5;
  }

  stage(_vcpu: number, stage: number): number {
    return stage === 5 ? 6 : ACCESS_DONE;
  }
}

describe('accesses that interleave', () => {
  it('touch the table pages from the top down, then the data, and end after 2 faults of 2 stages', () => {
    const lab = new Lab();
    const pending = new PendingAccesses(2, lab, lab);
    const stages = [pending.begin(1, 7, AccessKind.Write)];
    while (stages[stages.length - 1] !== ACCESS_DONE) stages.push(pending.advance(1));
    expect(stages).toEqual([5, 6, 5, 6, ACCESS_DONE]);
    expect(lab.starts).toEqual(['vcpu 1: 103 kind 0 table', 'vcpu 1: 101 kind 0 table', 'vcpu 1: 7 kind 1']);
  });

  it('of 2 vCPUs go on each from where it was', () => {
    const lab = new Lab();
    const pending = new PendingAccesses(2, lab, lab);
    pending.begin(0, 8, AccessKind.Read);
    pending.begin(1, 9, AccessKind.Exec);
    for (const vcpu of [1, 0, 1, 0, 0, 1, 0, 1]) pending.advance(vcpu);
    expect(lab.starts.filter(start => !start.endsWith('table'))).toEqual(['vcpu 1: 9 kind 2', 'vcpu 0: 8 kind 0']);
  });
});
