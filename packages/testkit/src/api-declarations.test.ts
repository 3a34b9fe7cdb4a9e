/**
 * The declarations of `@mmulab/api`, kept as a snapshot: backends of other people are written against them, so a change to them has to show in
 * the diff. Comments are left out; after an intended change `npm test -- -u` writes the snapshot anew.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import ts from 'typescript';

const api = resolve(__dirname, '../../api');

/** The modules of the package by its sources: `lib` may still hold what an older source left there. */
function modules(): string[] {
  const files = readdirSync(join(api, 'src'), { recursive: true, encoding: 'utf8' });
  return files
    .filter(file => file.endsWith('.ts') && !file.endsWith('.test.ts'))
    .map(file => file.replaceAll('\\', '/').replace(/\.ts$/, ''))
    .sort();
}

function declarationsOf(module: string): string {
  const text = readFileSync(join(api, 'lib', `${module}.d.ts`), 'utf8');
  const source = ts.createSourceFile(`${module}.d.ts`, text, ts.ScriptTarget.ES2022);
  return ts.createPrinter({ removeComments: true, newLine: ts.NewLineKind.LineFeed }).printFile(source);
}

expect.addSnapshotSerializer({ test: value => typeof value === 'string', serialize: value => value as string });

describe('the declarations of @mmulab/api', () => {
  it('are those that were reviewed', () => {
    expect(
      modules()
        .map(module => `==== ${module}\n${declarationsOf(module)}`)
        .join('\n'),
    ).toMatchSnapshot();
  });
});
