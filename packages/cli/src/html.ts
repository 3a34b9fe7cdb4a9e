/**
 * `--html FILE`: results as one page. The file is opened before anything runs, so that a path that cannot be written to is found out at once, and takes its place only when
 * the page is complete.
 */
import { htmlReport, type Catalog, type ReportStory } from '@mmulab/report';
import { withOutputFile } from '@mmulab/runner';
import type { Terminal } from './terminal';
import { version } from './version';

/** What a page needs beside the results. */
export interface PageRequest {
  readonly stories: readonly ReportStory[];
  /** Absent: that of the first story. */
  readonly title?: string;
  readonly catalog: Catalog;
  /** Whether counters of work are shown: they were asked for. */
  readonly showsWork?: boolean;
}

/**
 * Runs something and writes its page.
 * @param path absent: no page
 * @param work performs the runs; what it returns is its own business
 * @param page what the page is made of, asked when the work is done
 * @throws FILE_UNWRITABLE before the work, REPORT_TOO_LARGE after it
 */
export function writingPage<T>(
  path: string | undefined,
  terminal: Pick<Terminal, 'err'> | undefined,
  work: () => T,
  page: (result: T) => PageRequest,
): T {
  if (path === undefined) return work();
  return withOutputFile(path, {}, file => {
    const result = work();
    const { html, notes } = pageText(page(result));
    file.append(html);
    for (const note of notes) terminal?.err(`note: ${path}: ${note}\n`);
    terminal?.err(`wrote ${path}\n`);
    return result;
  });
}

function pageText({ stories, title, catalog, showsWork }: PageRequest): ReturnType<typeof htmlReport> {
  return htmlReport({ ...(title === undefined ? {} : { title }), madeBy: `mmulab ${version()}`, stories, catalog, showsWork });
}

/** A command line as it is typed again, words quoted where a shell would cut or change them. */
export function typedAgain(argv: readonly string[]): string {
  const quoted = argv.map(word => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`));
  return ['mmulab', ...quoted].join(' ');
}
