/**
 * The code blocks of the documentation compile and run, and what it shows of a command's output is what the command prints.
 *
 * With MMULAB_DOCS=write the outputs shown in console blocks are written anew instead of compared. Slow commands are run with MMULAB_DOCS=write or
 * MMULAB_DOCS=all only.
 */
import { splitCommand } from '@mmulab/runner';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import ts from 'typescript';
import {
  ROOT,
  compiledName,
  compiledPathOf,
  consoleCommands,
  isFile,
  pathOf,
  readPages,
  shellCommands,
  type Block,
  type Page,
} from './fixtures/doc-blocks';
import { runAnyCommand } from './program';

// A sweep starts worker processes.
jest.setTimeout(120_000);

/** Width of the output when it is no terminal. */
const COLUMNS = 120;

/** Writes the files of all pages and compiles their TypeScript. @returns what the compiler objects to, as `PAGE:LINE: text` */
function buildPages(pages: readonly Page[]): readonly string[] {
  const sources = new Map<string, string>();
  for (const page of pages) {
    for (const block of page.blocks) {
      if (block.language !== 'ts' && !isFile(block)) continue;
      const path = pathOf(page, block);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, `${block.lines.join('\n')}\n`);
      if (block.language === 'ts') sources.set(path, `${page.name}:${block.at}`);
    }
  }
  const program = ts.createProgram([...sources.keys()], compilerOptions());
  program.emit(undefined, (path, text) => {
    const to = compiledName(path.replace(/\.js$/, '.ts'));
    mkdirSync(dirname(to), { recursive: true });
    writeFileSync(to, text);
  });
  return ts.getPreEmitDiagnostics(program).map(({ file, start, messageText }) => {
    const line = file === undefined ? 0 : file.getLineAndCharacterOfPosition(start ?? 0).line + 1;
    return `${sources.get(file?.fileName ?? '') ?? file?.fileName} (line ${line} of the block): ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
  });
}

function compilerOptions(): ts.CompilerOptions {
  const { config } = ts.readConfigFile(join(ROOT, 'tsconfig.base.json'), path => readFileSync(path, 'utf8')) as { readonly config: object };
  const { options } = ts.parseJsonConfigFileContent({ ...config, files: [] }, ts.sys, ROOT);
  const types = { types: ['node', 'jest'], typeRoots: [join(ROOT, 'node_modules', '@types')] };
  return { ...options, ...types, composite: false, declaration: false, declarationMap: false, sourceMap: false };
}

interface Output {
  readonly code: number;
  readonly text: string;
  readonly errors: string;
}

/** Runs a command in a page's directory. */
async function perform(command: string, directory: string): Promise<Output> {
  const before = process.cwd();
  let text = '';
  let errors = '';
  process.chdir(directory);
  try {
    const code = await runAnyCommand(splitCommand(command), {
      columns: COLUMNS,
      color: false,
      out: written => (text += written),
      err: written => {
        text += written;
        errors += written;
      },
      progress: () => undefined,
    });
    return { code, text, errors };
  } finally {
    process.chdir(before);
  }
}

/** Runs a compiled program. @returns what it logs */
function execute(path: string): string {
  const log = jest.spyOn(console, 'log').mockImplementation();
  try {
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- the path is known only now
    require(path);
    return log.mock.calls.map(words => words.join(' ')).join('\n');
  } finally {
    log.mockRestore();
  }
}

const pages = readPages();
const objections = buildPages(pages);
const isAsked = process.env['MMULAB_DOCS'] !== undefined;
const isWriting = process.env['MMULAB_DOCS'] === 'write';

it('compile', () => expect(objections).toEqual([]));

afterAll(() => pages.slice(0, 1).forEach(page => rmSync(dirname(page.directory), { recursive: true })));

describe.each(pages.map(page => [page.name, page] as const))('blocks of %s', (_name, page) => {
  const rewritten: { readonly from: number; readonly count: number; readonly lines: readonly string[] }[] = [];

  it('have names that are known', () => {
    expect(page.blocks.filter(({ language }) => !['ts', 'yaml', 'json', 'sh', 'console', 'text'].includes(language))).toEqual([]);
  });

  page.blocks.forEach((block, index) => {
    if (block.language === 'ts') testProgram(page, block, page.blocks[index + 1]);
    for (const command of block.language === 'sh' ? shellCommands(block) : []) {
      it(`line ${block.at}: mmulab ${command}`, async () => {
        expect(await perform(command, page.directory)).toMatchObject({ code: 0, errors: noError });
      });
    }
    const isShown = block.language === 'console' && (block.info !== 'slow' || isAsked);
    for (const { command, output, outputAt } of isShown ? consoleCommands(block) : []) {
      it(`line ${block.at}: mmulab ${command}, and what it prints (when stale: MMULAB_DOCS=write npm test -- docs-blocks)`, async () => {
        const { code, text } = await perform(command, page.directory);
        const lines = text.trim().split('\n');
        expect(`exit ${code}`).toBe(block.info.startsWith('exit') ? block.info : 'exit 0');
        if (isWriting) rewritten.push({ from: outputAt - 1, count: output.length, lines: framedAs(output, lines) });
        else expect(lines).toEqual(output.join('\n').trim().split('\n'));
      });
    }
  });

  afterAll(() => {
    if (rewritten.length === 0) return;
    const path = join(ROOT, page.name);
    const lines = readFileSync(path, 'utf8').split('\n');
    for (const { from, count, lines: fresh } of [...rewritten].sort((a, b) => b.from - a.from)) lines.splice(from, count, ...fresh);
    writeFileSync(path, lines.join('\n'));
  });
});

/** Lines with the empty ones before and behind that the page has there. */
function framedAs(output: readonly string[], lines: readonly string[]): readonly string[] {
  const [, head = '', tail = ''] = /^(\n*)[^]*?(\n*)$/.exec(output.join('\n')) ?? [];
  return `${head}${lines.join('\n')}${tail}`.split('\n');
}

const noError = expect.not.stringContaining('mmulab: ') as string;

/** A program runs, and logs what the text block behind it says. The tests of an example are tests here too. */
function testProgram(page: Page, block: Block, next: Block | undefined): void {
  const path = compiledPathOf(page, block);
  if (!isFile(block)) {
    it(`line ${block.at}: runs`, () => {
      const logged = execute(path);
      if (next?.language === 'text') expect(logged.split('\n')).toEqual(next.lines);
    });
  } else if (path.endsWith('.test.js') && objections.length === 0) {
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- the path is known only now
    require(path);
  }
}
