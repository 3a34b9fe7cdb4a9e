import type { Report } from '@mmulab/api';
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
