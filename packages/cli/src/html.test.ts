/**
 * `--html`: what is written where, and what stays when it cannot be.
 */
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ReportData } from '@mmulab/report';
import { workEvents, type RunResult } from '@mmulab/api';
import { record, scratchDirectory, scratchFile } from './fixtures/recorder';
import { typedAgain } from './html';

const TEST = ['--', 'execute_perf_test', '-b', '4M', '-s', 'anonymous_hugetlb_2mb'];
const SIDES = ['--kernel', '6.1.192', '--set', 'nx_huge_pages=Y', '--vary', 'huge_page_fault=zap,split'];

const work = new Set(workEvents.map(({ name }) => name));

const dataIn = (path: string): ReportData =>
  JSON.parse(/id="mmulab-data">(.*?)<\/script>/s.exec(readFileSync(path, 'utf8'))?.[1] ?? '') as ReportData;

describe('compare --html', () => {
  const path = join(scratchDirectory(), 'report.html');
  const { code, out, err } = record('compare', ...SIDES, '--html', path, ...TEST);
  const data = dataIn(path);

  it('writes one page beside what it prints, and says so', () => {
    expect(code).toBe(0);
    expect(out).toMatch(/page_fault +1,024 +2 +512x fewer/);
    expect(err).toContain(`wrote ${path}\n`);
    expect(readdirSync(join(path, '..'))).toEqual(['report.html']);
  });

  it('explains every counter in it', () => {
    expect(data.counterSets.flat().filter(name => data.counters[name] === undefined)).toEqual([]);
    expect(data.counters['page_fault']?.doc).toMatch(/^Second-stage faults/);
  });

  it('holds the command as it was typed', () => {
    expect(data.stories[0]?.command).toBe(['mmulab compare', ...SIDES, '--html', path, ...TEST].join(' '));
  });

  it('holds configs that count the same when they are run again', () => {
    const [, split] = data.stories[0]?.runs ?? [];
    const again = record('run', '--format', 'json', scratchFile('again.json', JSON.stringify(split?.config)));
    const { totals } = JSON.parse(again.out) as RunResult;
    const names = data.counterSets[split?.counterSet ?? 0] ?? [];
    // Counters of work are in a page that is asked for them.
    const counted = Object.entries(totals.counters).flatMap(([name, value]) => (value === 0 || work.has(name) ? [] : [names.indexOf(name), value]));
    expect(counted).toEqual(split?.totals);
  });

  it('says of the settings what is special: the shared line of the terminal', () => {
    const shared = data.stories[0]?.groups[0]?.shared ?? '';
    expect(out.split('\n')).toContain(shared);
  });
});

describe('run --html', () => {
  it('writes the page of one run, with the counters asked for', () => {
    const path = join(scratchDirectory(), 'one.html');
    expect(record('run', '--quiet', '--counters', 'exit', '--html', path, ...TEST)).toMatchObject({ code: 0, err: '' });
    expect(dataIn(path).counterSets).toEqual([['exit']]);
  });
});

describe('a page that cannot be written', () => {
  it.each([
    ['in a directory that is not there', () => join(scratchDirectory(), 'no', 'report.html')],
    ['in the place of a directory', () => scratchDirectory()],
  ])('%s is refused before anything runs', (_what, where) => {
    const { code, err, progress, out } = record('run', '--html', where(), ...TEST);
    expect([code, out, progress]).toEqual([2, '', [undefined]]);
    expect(err).toContain('FILE_UNWRITABLE');
  });

  it('leaves what was there when the runs fail', () => {
    const directory = scratchDirectory();
    const path = join(directory, 'report.html');
    writeFileSync(path, 'old');
    expect(record('compare', ...SIDES, '--counters', 'page_falt', '--html', path, ...TEST).code).toBe(2);
    expect([readFileSync(path, 'utf8'), readdirSync(directory)]).toEqual(['old', ['report.html']]);
  });
});

describe('a command typed again', () => {
  it('has quotes where a shell would cut or change a word', () => {
    expect(typedAgain(['run', '--set', 'a=b c', "it's", '$HOME', '--', 'x'])).toBe(`mmulab run --set 'a=b c' 'it'\\''s' '$HOME' -- x`);
  });
});
