/**
 * Rounds that do nothing where they stand say so, and those that do something do not.
 */
import type { HostChanges, OptionValues } from '@mmulab/api';
import { AccessRounds, accessRoundsDefinition } from './access-rounds';
import { codeOf } from './fixtures/code-of';
import { AMD, backing, planOf } from './fixtures/plan-of';

const CHANGES: HostChanges = { protect: [], unprotect: [], protectsByGib: false, untouched: [], own: [], freeable: true };

function notesOf(command: string, settings: OptionValues = {}, memory = 'anonymous'): readonly string[] {
  const thp = memory === 'anonymous_thp' ? { hugepage: [], nohugepage: [] } : {};
  const of = { ...backing(memory), changes: { ...CHANGES, ...thp } };
  return planOf({ definition: accessRoundsDefinition, implementation: AccessRounds }, `-b 4M ${command}`, AMD, {}, { settings, of }).notes;
}

describe('a round that does nothing', () => {
  it.each<[string, string, RegExp]>([
    ['-p D,D', '2_D', /on already \(expected U/],
    ['-p U', '1_U', /off already \(expected D/],
    ['-M 1 -p D,K,G,K', '2_K', /expected G before/],
    ['-M 1 -p D,G,Sr,K', '4_K', /expected G before/],
    ['-R 1024 -p w,D,Qc,w,Qc', '3_Qc', /the guest has not run.*expected a pass/],
    ['-R 1024 -p Qc,D', '1_Qc', /nothing was logged.*expected D/],
    ['-R 1024 -p D,w,Qr,Qc,Qr', '3_Qr', /expected Qc before/],
    ['-p Sb,Sm,Sb', '1_Sb', /expected Sm before/],
    ['-p Sr,Sr,Sw', '2_Sr', /read-only already \(expected Sw/],
    ['-p Sw,Sr', '1_Sw', /writable already \(expected Sr/],
    ['-p Fc,Fe,F,Fe', '4_Fe', /expected Fc before/],
    ['-p R@0+8,W@8+8,W@4+8', '2_W@8+8', /writable already \(expected R/],
    ['-p R8,R16,R4,W', '2_R16', /read-only already \(expected W/],
    ['-p R1,R', '2_R', /read-only already/],
    ['-p R,Zm,W', '3_W', /writable already/],
    ['-p Mo', '1_Mo', /expected a range that cuts/],
  ])('%s: the note names %s and what it needs before it', (command, name, message) => {
    const notes = notesOf(command);
    expect(notes).toEqual([expect.stringMatching(message)]);
    expect(notes[0]).toContain(`access_rounds: round ${name} does nothing: `);
  });

  it.each<[string, string, OptionValues, string[]]>([
    ['anonymous_thp', '-p Mh,Mn,Mn,Mo@0+8,Mo@512,Mh', {}, ['1_Mh', '3_Mn', '5_Mo@512']],
    ['anonymous_hugetlb_2mb', '-p w,Z512,Z@0+10,Z@0+512,Z', {}, ['2_Z512, 3_Z@0+10']],
    ['anonymous', '-p N,Xn,Xy,N', { nx_huge_pages: 'N' }, ['1_N', '2_Xn']],
    ['anonymous', '-p N,Xy,Xn,N', { nx_huge_pages: 'Y' }, ['2_Xy', '4_N']],
    ['anonymous', '-p N,Xy', { nx_huge_pages: 'Y', nx_huge_pages_recovery_ratio: 0 }, ['1_N', '2_Xy']],
    ['anonymous', '-p N,Xn,Xn', { nx_huge_pages: 'auto' }, ['3_Xn']],
  ])('on %s memory: %s', (memory, command, settings, names) => {
    const subjects = notesOf(command, settings, memory).map(note => / rounds? (.*?) do/.exec(note)?.[1]);
    expect(subjects).toEqual(names);
  });

  it('is one of many under one note, of which five are named', () => {
    expect(notesOf('-p U,U,U,U,U,U,U')).toEqual([
      expect.stringContaining('rounds 1_U, 2_U, 3_U, 4_U, 5_U and 2 more do nothing: dirty logging is off already'),
    ]);
  });

  it.each(['-M 3 -p w', '-R 1024 -p w', '-M 1 -p w,U'])('may be an option: %s logs nothing', command => {
    expect(notesOf(command)).toContainEqual(expect.stringMatching(/(manual_protect|dirty_ring)=\d+ \(-[MR] \d+\) does nothing: .*expected D/));
  });

  it('is none where it does something, or may', () => {
    const lists = [
      '-p w,D,w,G,U,D,Sd,Sa,D,U',
      '-M 1 -p D,G,K,w,K',
      '-R 1024 -p D,w,Qc,Qr,w,Qc,Qr',
      '-R 1024 -p D,w,U,D,Qc,Qr',
      '-p R2,W4,R,W,Z,A,H,Sm,Sm1,Sb,Fc,Fc,Fe,Oa,Om,Od',
    ];
    for (const command of lists) expect([command, notesOf(command)]).toEqual([command, []]);
    expect(notesOf('-p R1,W2,R1')).toEqual([]);
    expect(notesOf('-b 8G -p R2,W2,R2')).toEqual([]);
  });

  it('is refused instead where nx_huge_pages=never has the kernel answer EPERM', () => {
    expect(codeOf(() => notesOf('-p Xy', { nx_huge_pages: 'never' }))).toBe('WORKLOAD_ROUND_INVALID');
  });
});
