/**
 * Pages with the engine inside: written to a file, and shown on this machine if that is asked for.
 */
import { makeOutputDirectory, withOutputFile } from '@mmulab/runner';
import type { Command } from 'commander';
import { realpathSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, isAbsolute, relative, resolve, sep } from 'node:path';
import type { CommandContext } from './command-entry';
import { cannotServe } from './errors';

/** `--html` and `--serve`, as typed. */
export interface PageFileOptions {
  readonly html?: string;
  readonly serve?: boolean;
}

/** Only programs of this machine reach it. */
const LOOPBACK = '127.0.0.1';

/** Adds `--html` and `--serve`. */
export function addPageFileOptions(command: Command, path: string): Command {
  return command
    .option('--html <file>', `where to write the page (default: ${path})`)
    .option('--serve', 'serve it on this machine too, at a free port, until Ctrl-C');
}

/**
 * Writes a page, and serves it until the command is interrupted. The file is opened before the page is made, and takes its place when it is complete.
 * @param defaultPath where it goes unless `--html` says so
 * @param make the page; told where the packages' folders lie, seen from the file
 * @throws FILE_UNWRITABLE, and what `make` throws: then what was there is there still
 */
export async function writePageFile(
  { html, serve }: PageFileOptions,
  defaultPath: string,
  context: CommandContext,
  make: (sources: string | undefined) => string,
): Promise<void> {
  const path = html ?? defaultPath;
  if (html === undefined) makeOutputDirectory(dirname(path));
  const text = withOutputFile(path, {}, file => {
    const page = make(sourcesFrom(dirname(resolve(path))));
    file.append(page);
    return page;
  });
  context.terminal.out(`wrote ${path}\n`);
  if (serve === true) await serving(text, context);
}

/** Serves one page, whatever is asked for, until the command is interrupted. @throws SERVE_FAILED */
async function serving(page: string, { terminal, interrupted }: CommandContext): Promise<void> {
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' }).end(page);
  });
  await new Promise<void>((listening, failed) => {
    server.once('error', error => failed(cannotServe(error.message)));
    server.listen(0, LOOPBACK, listening);
  });
  terminal.out(`http://${LOOPBACK}:${(server.address() as AddressInfo).port}/\n`);
  if (!interrupted.aborted) await new Promise(ended => interrupted.addEventListener('abort', ended, { once: true }));
  server.closeAllConnections();
  await new Promise(closed => server.close(closed));
}

/** The folder that the packages lie in, as a link from a directory; undefined where there is none. */
function sourcesFrom(directory: string): string | undefined {
  const packages = dirname(dirname(realpathSync(require.resolve('@mmulab/x86/package.json'))));
  const path = relative(directory, packages);
  return isAbsolute(path) ? undefined : encodeURI(path.split(sep).join('/'));
}
