/**
 * The table of switches: every release takes each switch at its own release. What a row says is known from the reference; here stand the rows that decide questions.
 */
import { kernelValues, type OptionValue } from '@mmulab/api';
import { x86Options } from './options';
import { x86Profiles, x86Switches } from './switches';

/** Value of an option in a release. */
function valueIn(kernel: string, option: string): OptionValue | undefined {
  const found = kernelValues({ profiles: x86Profiles, switches: x86Switches }, kernel);
  return typeof found === 'string' ? undefined : found.values[option];
}

describe('the x86 table of switches', () => {
  it('is about options of the backends, and takes values they have', () => {
    const problems = x86Switches.flatMap(({ option, first, changes }) => {
      const spec = x86Options.find(({ name }) => name === option);
      const choices = spec?.kind === 'flag' ? ['Y', 'N'] : spec?.kind === 'choice' ? spec.choices : [];
      return [first, ...changes.map(({ value }) => value)].filter(value => !choices.includes(String(value))).map(value => `${option}=${value}`);
    });
    expect(problems).toEqual([]);
  });

  it('ends at the defaults of the options', () => {
    const newest = x86Profiles.at(-1)?.values ?? {};
    expect(x86Options.filter(({ name, default: value }) => name in newest && newest[name] !== value)).toEqual([]);
  });

  it('changes each switch at most once per release, in order', () => {
    const number = (release: string): number => release.split('.').reduce((sum, part) => sum * 1000 + Number(part), 0);
    for (const { changes } of x86Switches) {
      const releases = changes.flatMap(({ since }) => (since === undefined ? [] : [number(since)]));
      expect(releases).toEqual([...new Set(releases)].sort((a, b) => a - b));
    }
  });

  it('has the profiles in order, 7.3 last', () => {
    expect(x86Profiles.map(({ name }) => name).join(' ')).toBe(
      '5.10.262 5.13 5.15 5.17 5.18 5.19 6.0 6.1 6.1.192 6.2 6.4 6.12.117 6.13 6.16 6.18 7.3',
    );
  });

  it.each<readonly [string, string, OptionValue]>([
    // The lockless path came to the TDP MMU in 5.15, not with the next profile.
    ['fast_page_fault_tdp', '5.14', 'N'],
    ['fast_page_fault_tdp', '5.15', 'Y'],
    ['fast_page_fault_tdp', '5.15.160', 'Y'],
    ['fast_page_fault_tdp', '5.16', 'Y'],
    ['initially_set_protects', '5.10.262', 'all'],
    ['initially_set_protects', '5.13', 'huge'],
    ['initially_set_protects', '5.14', 'nothing'],
    ['log_stop', '5.18', 'leaves'],
    ['log_stop', '5.19', 'zap'],
    ['log_stop', '6.12', 'zap'],
    ['log_stop', '6.13', 'recover'],
    ['tdp_role_has_wp', '5.18', 'Y'],
    ['tdp_role_has_wp', '5.19', 'N'],
    ['shadowed_access_cache', '5.19', 'N'],
    ['shadowed_access_cache', '6.0', 'Y'],
    ['huge_page_fault', '6.1.192', 'zap'],
    ['huge_page_fault', '6.2', 'split'],
    // Stable 6.1 has what mainline got in 6.4; 6.2 and 6.3 have not.
    ['root_lifetime', '6.1', 'async-zap'],
    ['root_lifetime', '6.1.192', 'persist'],
    ['root_lifetime', '6.1.200', 'persist'],
    ['root_lifetime', '6.2', 'async-zap'],
    ['root_lifetime', '6.3', 'async-zap'],
    ['root_lifetime', '6.4', 'persist'],
    ['wp_ignored_without_pg', '6.1.192', 'N'],
    // Only in two stable series.
    ['flush_on_link', '6.1', 'N'],
    ['flush_on_link', '6.1.192', 'Y'],
    ['flush_on_link', '6.6', 'N'],
    ['flush_on_link', '6.12.117', 'Y'],
    ['flush_on_link', '6.13', 'N'],
    ['root_zap_granularity', '6.8', '1g-root'],
    ['root_zap_granularity', '6.9', 'all-levels'],
    ['spurious_if_allowed', '6.12.117', 'N'],
    ['spurious_if_allowed', '6.13', 'Y'],
    ['nx_recovery_per_mmu', '6.17', 'N'],
    ['nx_recovery_per_mmu', '6.18.15', 'Y'],
  ])('%s in %s is %s', (option, kernel, value) => {
    expect(valueIn(kernel, option)).toBe(value);
  });

  it.each([
    ['6.16.12', '6.16.12'],
    ['7.3.4', '7.3.4'],
    ['7.4', '7.4 (as 7.3)'],
    ['5.4.240', '5.4.240 (as 5.10.262)'],
  ])('%s is named %s', (kernel, name) => {
    const found = kernelValues({ profiles: x86Profiles, switches: x86Switches }, kernel);
    expect(typeof found === 'string' ? found : found.name).toBe(name);
  });
});
