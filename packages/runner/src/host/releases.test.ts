import type { BackendDefinition } from '@mmulab/api';
import { toyBackend } from '../fixtures/toy/toy-mmu';
import { hostMemoryValues } from './releases';

const definition = (arch: string): BackendDefinition => ({
  ...toyBackend,
  arch,
  profiles: [
    { name: '5.10.223', doc: 'The oldest.', values: {} },
    { name: '7.3', doc: 'The newest.', values: {} },
  ],
});

describe('the host’s memory', () => {
  it.each([
    ['5.10.223', 'split', 'N', 'N'],
    ['5.4', 'split', 'N', 'N'],
    ['5.18', 'split', 'N', 'Y'],
    ['6.12.107', 'split', 'N', 'Y'],
    ['6.13', 'huge', 'N', 'Y'],
    ['6.16.12', 'huge', 'N', 'Y'],
    ['6.18.15', 'huge', 'N', 'Y'],
    ['7.2.12', 'huge', 'Y', 'Y'],
    ['7.3.4', 'huge', 'Y', 'Y'],
    ['9.0 (as 7.3)', 'huge', 'Y', 'Y'],
  ])('of %s on arm64: huge zero page %s, page tables reclaimed %s, hugetlb dropped %s', (kernel, zero, reclaim, hugetlb) => {
    expect(hostMemoryValues(definition('arm64'), kernel)).toMatchObject({
      huge_zero_write: zero,
      page_table_reclaim: reclaim,
      hugetlb_dontneed: hugetlb,
    });
  });

  it.each([
    ['5.10.223', 'none', 'gib', 'N'],
    ['6.0', 'small', 'gib', 'N'],
    ['6.1.176', 'small', 'gib', 'Y'],
    ['6.2', 'huge', 'gib', 'Y'],
    ['6.12.107', 'huge', 'once', 'Y'],
  ])('of %s: mprotect restores %s pages, tells of each %s, MADV_COLLAPSE %s', (kernel, restores, notify, collapse) => {
    const values = hostMemoryValues(definition('arm64'), kernel);
    expect(values).toMatchObject({ mprotect_restores: restores, mprotect_notify: notify, madvise_collapse: collapse });
  });

  it('reclaims page tables on x86 from 6.14 on', () => {
    expect(['6.13', '6.14', '6.18'].map(kernel => hostMemoryValues(definition('x86'), kernel)['page_table_reclaim'])).toEqual(['N', 'Y', 'Y']);
  });

  it('of a backend without releases is that of the newest kernel', () => {
    expect(hostMemoryValues({ ...toyBackend, profiles: [] }, 'default')).toEqual({});
  });
});
