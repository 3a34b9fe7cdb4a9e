/**
 * What the documentation names is there: files by their paths, links, and in architecture.md the names it sends a reader to.
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ROOT } from './fixtures/doc-blocks';

const docs = readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' }).map(name => join('docs', name));
const pages = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', join('examples', 'README.md'), ...docs.sort()].filter(
  name => name.endsWith('.md') && existsSync(join(ROOT, name)),
);

/** A page without its code blocks. */
function proseOf(name: string): string {
  return readFileSync(join(ROOT, name), 'utf8').replace(/^```[^]*?^```$/gm, '');
}

describe.each(pages)('%s', name => {
  const prose = proseOf(name);

  it('names files that exist', () => {
    const paths = [...prose.matchAll(/`((?:packages|docs|examples|\.ci)\/[\w./-]*\w\/?)`/g)].map(match => match[1] ?? '');
    expect(paths.filter(path => !path.includes('NAME') && !existsSync(join(ROOT, path)))).toEqual([]);
  });

  it('links to pages that exist', () => {
    const links = [...prose.matchAll(/\]\(([^)#\s]+)[^)\s]*\)/g)].map(match => match[1] ?? '').filter(link => !/^[a-z]+:/.test(link));
    expect(links.filter(link => !existsSync(join(ROOT, dirname(name), link)))).toEqual([]);
  });
});

/** Names in code type that are looked up; counters, commands and the like are not. */
const IDENTIFIER = /`([a-zA-Z]+(?:\.[A-Z][a-zA-Z]+)?)`/g;

it('architecture.md names what the files of its paragraphs hold', () => {
  const missing = proseOf(join('docs', 'architecture.md'))
    .split(/\n\n|\n(?=\|)/)
    .flatMap(paragraph => {
      const files = [...paragraph.matchAll(/\*\*`([^`]+\.ts)`\*\*/g)].map(match => match[1] ?? '');
      if (files.length === 0) return [];
      const text = files.map(file => readFileSync(join(ROOT, file), 'utf8')).join('\n');
      const names = [...paragraph.matchAll(IDENTIFIER)].map(match => match[1] ?? '');
      return names.filter(name => !new RegExp(`\\b${name.replace('.', '\\.')}\\b`).test(text)).map(name => `${name} in ${files.join(', ')}`);
    });
  expect(missing).toEqual([]);
});
