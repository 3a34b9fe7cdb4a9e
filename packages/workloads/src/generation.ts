/**
 * Generations of the tests: the numbers that `-m` has, and which of two programs runs.
 *
 * The kernel tree that a test comes from decides both. A command line may say more: `-f` is a flag of the tests up to 6.1, `-w`, `-a`, `-r` and `-c`
 * are flags of later ones. So the numbers of `-m` are those of the kernel, as far as the flags given allow; `--set selftest=` names a generation instead.
 *
 * The program is another matter: what a newer one reads beside the test memory was measured on arm64 alone. It runs where its flags are given or a newer
 * generation is asked for, not where the kernel alone is newer (docs/decisions/0018).
 *
 * Models: Linux tools/testing/selftests/kvm: the modes with 16 KiB pages came in with 5.17, memstress with 6.2, P52V48_16K with 6.8.
 */
import { compareReleases, type ChoiceOption, type OptionValues } from '@mmulab/api';
import { optionConflict } from './errors';
import { kernelRelease } from './kernel-release';

/** Kernel trees whose tests differ, each standing for those up to the next. */
const GENERATIONS = ['5.12', '6.1', '6.2', '6.8', '6.12'] as const;
export type Generation = (typeof GENERATIONS)[number];

/** Tests with the flags of one side. */
export const Family = { Older: 'until-6.1', Newer: 'since-6.2' } as const;
export type Family = (typeof Family)[keyof typeof Family];

/** First release with the tests of each generation after the first. */
const FIRST_RELEASES: readonly (readonly [Generation, readonly [number, number, number]])[] = [
  ['6.1', [5, 17, 0]],
  ['6.2', [6, 2, 0]],
  ['6.8', [6, 8, 0]],
  ['6.12', [6, 12, 0]],
];
const FROM_KERNEL = 'kernel';

/** A test as its generation makes it. */
export interface Selftest {
  /** Whose numbers `-m` has. */
  readonly generation: Generation;
  /** Which program: that of 6.2 and later, or the older one. */
  readonly isNewer: boolean;
}

/** Which generation of the tests runs. */
export const selftestOption: ChoiceOption = {
  kind: 'choice',
  name: 'selftest',
  doc: 'Generation of the test: its flags and the numbers of -m. kernel: that of the kernel, as far as the flags given allow (until-6.1: -f; since-6.2: -w, -a, -r, -c). Flags given go before it. From 6.2 on it names the newer program too, which draws writes and reads its arguments.',
  choices: [FROM_KERNEL, Family.Older, Family.Newer, ...GENERATIONS],
  default: FROM_KERNEL,
};

/** Options that one family alone has, and their values when nobody set them. */
export type FamilyOptions = Readonly<Record<Family, OptionValues>>;

/** Tests whose options do not tell the families apart. */
const NO_OPTIONS: FamilyOptions = { [Family.Older]: {}, [Family.Newer]: {} };

/** Whether a generation is one of 6.2 or later. */
function isNewer(generation: Generation): boolean {
  return GENERATIONS.indexOf(generation) >= GENERATIONS.indexOf('6.2');
}

/** The generation of a kernel's tests. @param kernel release as results name it; without one, 6.1 */
export function generationOfKernel(kernel: string | undefined): Generation {
  const release = kernelRelease(kernel);
  if (release === undefined) return '6.1';
  return FIRST_RELEASES.filter(([, first]) => compareReleases(release, [...first]) >= 0).at(-1)?.[0] ?? '5.12';
}

/**
 * The test that options and kernel mean.
 * @param own options that only one family has
 * @throws MmulabError WORKLOAD_OPTION_CONFLICT when options of both are given
 */
export function resolveSelftest(workload: string, options: OptionValues, kernel: string | undefined, own = NO_OPTIONS): Selftest {
  const given = (family: Family): string | undefined => Object.entries(own[family]).find(([name, standard]) => options[name] !== standard)?.[0];
  const [older, newer] = [given(Family.Older), given(Family.Newer)];
  if (older !== undefined && newer !== undefined)
    throw optionConflict(workload, newer, `an option of the tests from 6.2 on, and ${older} is one of those up to 6.1`);
  const asked = String(options[selftestOption.name] ?? FROM_KERNEL);
  const named = GENERATIONS.find(generation => generation === asked);
  const byOptions = older !== undefined ? Family.Older : newer !== undefined ? Family.Newer : undefined;
  if (named !== undefined && (byOptions === undefined || isNewer(named) === (byOptions === Family.Newer)))
    return { generation: named, isNewer: isNewer(named) };
  const family = byOptions ?? (asked === FROM_KERNEL ? undefined : asked);
  // A generation that the options rule out: the last one they leave.
  if (named !== undefined) return family === Family.Newer ? { generation: '6.12', isNewer: true } : { generation: '6.1', isNewer: false };
  const ofKernel = generationOfKernel(kernel);
  if (family === Family.Newer) return { generation: isNewer(ofKernel) ? ofKernel : '6.2', isNewer: true };
  return { generation: family === Family.Older && isNewer(ofKernel) ? '6.1' : ofKernel, isNewer: false };
}
