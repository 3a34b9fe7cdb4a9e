import type { CheckResult, Report } from '@mmulab/api';
import { EMPTY_CATALOG } from './describe';
import { madeResult } from './fixtures/results';
import { htmlReport } from './html/build-report';
import { comparisonReport } from './comparison-report';
import { compareResults } from './compare';
import { renderReport } from './reporter';
import { resultsReport } from './results';

const view = { all: false, color: false, columns: 120 };
const whole = madeResult({ populate: { page_fault: 4 } });
const failed = {
  ...whole,
  failure: { phase: 'populate', errno: 'EEXIST', vcpu: 1, gfn: 0x800, reason: 'a leaf is in the way' },
};
const LINE = 'FAILED in populate: KVM_RUN of vCPU 1 at gfn 0x800 returned EEXIST: a leaf is in the way';

describe('a run in which a KVM_RUN failed', () => {
  const reports: readonly [string, Report][] = [
    ['a result', resultsReport([failed])],
    ['a comparison', comparisonReport(compareResults([whole, failed]))],
  ];

  it.each(reports)('is marked in every format of %s', (_what, report) => {
    const text = (format: string): string => renderReport(report, format, view);
    expect(text('table')).toContain(LINE);
    expect(text('markdown')).toContain('FAILED in populate: KVM');
    expect(text('csv')).toMatch(/,populate,(vm,)?run\.failed\.EEXIST,1/);
    expect(text('json')).toContain('"errno": "EEXIST"');
    expect(text('selftest')).toMatch(/KVM_RUN failed, rc: -1 errno: 17 \(File exists\)|FAILED in populate/);
  });

  it('is marked in a page', () => {
    expect(htmlReport({ madeBy: 'mmulab', stories: [{ results: [failed], command: '' }], catalog: EMPTY_CATALOG }).html).toContain(
      'a leaf is in the way',
    );
  });

  it('without an errno is one that does not come back', () => {
    const stuck = { ...whole, failure: { phase: 'populate', vcpu: 0, reason: 'the fault repairs another page' } };
    expect(renderReport(resultsReport([stuck]), 'table', view)).toContain('KVM_RUN of vCPU 0 did not come back: the fault repairs');
    expect(renderReport(resultsReport([stuck]), 'csv', view)).toContain(',run.failed,1');
  });
});

describe('a run of a test that asserts', () => {
  const check = { phase: 'populate', name: 'huge pages', of: 'pages_2m', relation: '==', expected: 4 } as const;
  const passed: CheckResult = { ...check, actual: 4, passed: true };
  const checked = { ...whole, checks: [passed, { ...check, name: 'small pages', relation: '>=', actual: 3, passed: false } as const] };
  const text = (report: Report, format: string): string => renderReport(report, format, view);

  it('shows passed and failed checks with their values in every format', () => {
    const report = resultsReport([checked]);
    expect(text(report, 'table')).toContain('CHECK FAILED in populate: small pages: pages_2m is 3, expected >= 4');
    expect(text(report, 'table')).toMatch(/populate +huge pages +pages_2m +4 +4 +passed/);
    expect(text(report, 'markdown')).toMatch(/small pages.*FAILED/);
    expect(text(report, 'csv')).toContain(',populate,vm,check small pages: passed,0');
    expect(text(report, 'json')).toContain('"actual": 3');
    expect(text(report, 'selftest')).toMatch(
      /Assertion Failure ====\n {2}small pages: pages_2m is 3, expected >= 4\n {2}in populate\nAssertions passed: 1 of 2/,
    );
    expect(htmlReport({ madeBy: 'mmulab', stories: [{ results: [checked], command: '' }], catalog: EMPTY_CATALOG }).html).toContain('small pages');
  });

  it('is marked beside others, and where all passed there is no mark', () => {
    const report = comparisonReport(compareResults([whole, checked]));
    expect(text(report, 'table')).toContain('CHECK FAILED in populate');
    expect(text(report, 'csv')).toContain('check small pages: passed,0');
    expect(text(report, 'json')).toContain('"passed": false');
    expect(text(resultsReport([{ ...whole, checks: [passed] }]), 'table')).not.toContain('FAILED');
  });

  it('of many checks shows those that failed, unless all are wanted', () => {
    const many = { ...whole, checks: [...Array.from({ length: 50 }, () => passed), ...checked.checks] };
    const shown = (all: boolean): number => renderReport(resultsReport([many]), 'table', { ...view, all }).match(/huge pages/g)?.length ?? 0;
    expect([shown(false), shown(true)]).toEqual([0, 51]);
    const table = text(resultsReport([{ ...whole, checks: many.checks.slice(0, 50) }]), 'table');
    expect(table).toContain('All 50 checks passed (--all lists them).');
    expect(table).not.toContain('more checks');
  });
});
