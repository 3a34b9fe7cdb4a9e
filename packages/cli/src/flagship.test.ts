/**
 * What `npm start` prints: five stories that fit on a page and can be typed again, each with a conclusion made from its counts.
 */
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ReportData } from '@mmulab/report';
import { record, scratchDirectory } from './fixtures/recorder';
import { storyCommand, tellAll, tellLargeVm } from './flagship';
import { STORIES } from './stories';
import type { Terminal } from './terminal';

const ROOT = join(__dirname, '..', '..', '..');

function recording(): { readonly terminal: Terminal; readonly text: () => string } {
  let text = '';
  const write = (written: string): void => {
    text += written;
  };
  return { terminal: { columns: 200, color: false, out: write, err: write, progress: () => undefined }, text: () => text };
}

describe('npm start', () => {
  const { terminal, text } = recording();
  const path = join(scratchDirectory(), 'out', 'index.html');
  // With less memory where it takes longest: its conclusion is one of ratios.
  const seeds = join(scratchDirectory(), 'seeds');
  cpSync(join(ROOT, 'examples', 'seeds'), seeds, { recursive: true });
  const large = join(seeds, 'arm64-cmo.yaml');
  writeFileSync(large, readFileSync(large, 'utf8').replace('-b 1G', '-b 64M').replaceAll('-b 20G', '-b 2G'));
  tellAll(terminal, path, seeds);

  it('ends with the question left open: three policies with intervals, what eager splitting costs, and one sentence', () => {
    const before = text().length;
    // A thirtieth of the memory: the counts of 30 GiB take seconds.
    const config = readFileSync(join(ROOT, 'examples', 'seeds', '416-vcpus-12tb.yaml'), 'utf8').replace('-b 30G', '-b 1G');
    const small = join(scratchDirectory(), 'small.yaml');
    writeFileSync(small, config);
    tellLargeVm(terminal, small);
    const lines = text().slice(before).trimEnd().split('\n');
    expect(lines.length).toBeLessThanOrEqual(13);
    expect(lines.filter(line => /^(zap|split|eager) /.test(line)).map(line => (line.match(/\(.+? - .+?\)/g) ?? []).length)).toEqual([3, 3, 3]);
    // 416 x 513 tables.
    expect(lines.find(line => line.startsWith('eager'))).toContain('213,408');
    expect(lines.at(-1)).toMatch(
      /^Acceptable at 5 % writes .* eager splitting itself costs \S+ s of one thread, so that splitting beforehand pays from about \d+ % writes on/,
    );
  });

  it('prints at most 112 lines of its own, so that 120 hold those of npm too', () => {
    expect(text().split('\n').length).toBeLessThanOrEqual(112);
  });

  it('tells one story per source document, with a conclusion in numbers', () => {
    const conclusions = text()
      .split('\n')
      .filter(line => line.startsWith('=> '));
    expect(conclusions).toHaveLength(5);
    expect(conclusions[0]).toContain('1,024 faults where zapping took 524,288, 512x fewer: one per 2 MiB instead of one per 4 KiB');
    expect(conclusions[1]).toContain('20x fewer faults; split beforehand none, for 1,026 tables');
    expect(conclusions[2]).toContain('with 40 vCPUs on anonymous_hugetlb_1gb, 40x fewer bytes');
    expect(conclusions[3]).toContain('built 6 tables by 20 faults anew');
    expect(conclusions[4]).toContain('no fault instead of 2,048');
  });

  it.each(STORIES.filter(story => story.config !== 'arm64-cmo').map(story => [story.title, story] as const))(
    'prints for "%s" what its command prints',
    (_title, story) => {
      const before = process.cwd();
      process.chdir(ROOT);
      try {
        const { out, code } = record(...storyCommand(story));
        expect(code).toBe(0);
        expect(text()).toContain(out);
      } finally {
        process.chdir(before);
      }
    },
  );

  it('writes all of them as one page, below 3 MB, conclusions first', () => {
    const html = readFileSync(path, 'utf8');
    expect(Buffer.byteLength(html)).toBeLessThan(3_000_000);
    const data = JSON.parse(/id="mmulab-data">(.*?)<\/script>/s.exec(html)?.[1] ?? '') as ReportData;
    expect(text()).toContain(data.stories[0]?.groups[0]?.shared ?? '-');
    expect(data.stories.map(({ title, conclusions, runs }) => [title, conclusions.length, runs.length])).toEqual(
      STORIES.map(({ title }, at) => [title, 1, [2, 3, 6, 12, 2][at]]),
    );
  });
});

describe('a story', () => {
  it('has a config among the examples', () => {
    for (const { config } of STORIES) expect(existsSync(join(ROOT, 'examples', 'seeds', `${config}.yaml`))).toBe(true);
  });
});
