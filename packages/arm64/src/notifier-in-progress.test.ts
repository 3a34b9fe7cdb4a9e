/**
 * Faults that meet an MMU notifier under way: one vCPU copies the zero page, and stops between the notifier's two calls while another one faults.
 */
import { ACCESS_DONE, AccessKind } from '@mmulab/api';
import type { HostBacking, HostFault } from '@mmulab/api';
import { Stage } from './abort-stages';
import { BASE, Lab, plainBacking } from './fixtures/lab';
import { stage2Profiles } from './profiles';

const { Read, Write } = AccessKind;
const isStable = (state: number, writable: boolean): HostFault => ({ ok: true, state, spanLevel: 1, writable, notifications: [] });

/** Anonymous memory: the zero page when read, and a copy of it when written, which the notifier announces. */
const anonymous: HostBacking = {
  ...plainBacking(1),
  states: [
    { name: 'none', present: false, writable: false, level: 1, thp: false },
    { name: 'own', present: true, writable: true, level: 1, thp: false },
    { name: 'zero', present: true, writable: false, level: 1, thp: false },
  ],
  faults: [
    isStable(2, false),
    isStable(1, true),
    isStable(1, true),
    isStable(1, true),
    isStable(2, false),
    { ...isStable(1, true), notifications: [{ level: 1, state: 1, changePte: true }] },
  ],
};

/** A VM of two vCPUs; page 0 is the zero page. */
function zeroPageLab(kernel: string): Lab {
  const lab = new Lab({ kernel, vcpus: 2, backing: { ...anonymous, populated: 2 } });
  lab.touch(0, Read);
  lab.mark();
  return lab;
}

/** Advances a vCPU while `goes` holds for its next stage. @returns that stage */
function advance(lab: Lab, vcpu: number, from: number, goes: (stage: number) => boolean): number {
  let stage = from;
  while (stage !== ACCESS_DONE && goes(stage)) stage = lab.mmu.advance(vcpu);
  return stage;
}

describe.each(stage2Profiles.map(profile => profile.name))('on %s', kernel => {
  it('a fault between invalidate_range_start and _end is dropped once, and maps its page after the end', () => {
    const lab = zeroPageLab(kernel);
    // vCPU 0 writes: its own notifier has begun and not ended.
    const writer = advance(lab, 0, lab.mmu.begin(0, BASE, Write), stage => stage !== Stage.NotifyEnd);
    expect(writer).toBe(Stage.NotifyEnd);
    expect(lab.counts('notifier.invalidate', 'guest_abort.dropped')).toEqual([1, 0]);
    // vCPU 1 samples the sequence and resolves its page meanwhile: as many calls have ended at its retry test as when it sampled.
    const reader = lab.mmu.begin(1, BASE + 1, Read);
    const after = advance(lab, 1, reader, stage => stage !== Stage.Resume);
    expect(after).toBe(Stage.Resume);
    expect(lab.count('guest_abort.dropped')).toBe(1);
    expect(lab.mmu.translate(BASE + 1)).toBeUndefined();
    // The writer's call ends; its own fault is dropped too, and both come again.
    expect(advance(lab, 0, writer, () => true)).toBe(ACCESS_DONE);
    expect(advance(lab, 1, after, () => true)).toBe(ACCESS_DONE);
    expect(lab.count('guest_abort.dropped')).toBe(2);
    expect([lab.mmu.translate(BASE)?.writable, lab.mmu.translate(BASE + 1)?.writable]).toEqual([true, false]);
  });

  it('a fault that has resolved its page before the start is dropped after the end, too', () => {
    const lab = zeroPageLab(kernel);
    const reader = advance(lab, 1, lab.mmu.begin(1, BASE + 1, Read), stage => stage !== Stage.Map);
    expect(reader).toBe(Stage.Map);
    expect(advance(lab, 0, lab.mmu.begin(0, BASE, Write), () => true)).toBe(ACCESS_DONE);
    lab.mark();
    expect(advance(lab, 1, reader, () => true)).toBe(ACCESS_DONE);
    expect(lab.counts('guest_abort.dropped', 'guest_abort')).toEqual([1, 1]);
  });
});
