/**
 * From a file to what it says: finds the format by what is in the file, and has it read.
 */
import { statSync } from 'node:fs';
import { cpus } from 'node:os';
import { relative } from 'node:path';
import { readTextFile, testFilesIn, type Registry } from '@mmulab/runner';
import { kvmStat, perfKvmStat, perfStat } from './counts';
import { nothingUnderstood, unknownFormat } from './errors';
import { firecracker } from './firecracker';
import type { Format, Imported, ReadContext } from './imported';
import { libvirt } from './libvirt';
import { kernelCommandLine, modprobe } from './module-parameters';
import { qemu } from './qemu';
import { testFile, testsJson, together } from './test-lists';

/** In the order in which they are tried: the ones that are told most surely first. */
export const FORMATS: readonly Format[] = [
  testFile,
  libvirt,
  firecracker,
  testsJson,
  perfStat,
  perfKvmStat,
  kvmStat,
  qemu,
  modprobe,
  kernelCommandLine,
];

const FOLDER = 'folder of .test files';

/**
 * Reads a file of one of the formats, or a folder of `.test` files.
 * @throws FILE_NOT_FOUND, FILE_UNREADABLE; IMPORT_UNKNOWN_FORMAT, IMPORT_MALFORMED, IMPORT_VALUE; IMPORT_NOTHING when nothing in it concerns a run
 */
export function readImport(path: string, registry: Registry): Imported {
  const context: ReadContext = {
    counters: new Set(registry.backends().flatMap(({ events }) => events.map(event => event.name))),
    tests: new Set(registry.workloads().map(({ name }) => name)),
    cpus: cpus().length,
  };
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return readFolder(path, context);
  const text = readTextFile(path, 'a file in a format that can be imported');
  const format = FORMATS.find(one => one.isFormat(text, path));
  if (format === undefined)
    throw unknownFormat(
      path,
      FORMATS.map(one => one.name),
    );
  return checked({ ...EMPTY, ...format.read(text, path, context), file: path, format: format.name }, format.expected);
}

const EMPTY = { settings: [], commands: [], leftOut: [] };

/** All `.test` files below a directory; each command goes by the name of its file. */
function readFolder(path: string, context: ReadContext): Imported {
  const readings = testFilesIn(path).map(file => {
    const name = relative(path, file);
    const { commands = [], leftOut = [] } = testFile.read(readTextFile(file, 'a .test file'), file, context);
    return {
      commands: commands.map(one => ({ ...one, name: name.slice(0, -'.test'.length) })),
      leftOut: leftOut.map(({ line, ...one }) => ({ ...one, said: `${name}${line === undefined ? '' : `:${line}`}: ${one.said}` })),
    };
  });
  return checked({ ...EMPTY, ...together(readings), file: path, format: FOLDER }, '.test files with the command line of a test each');
}

function checked(imported: Imported, expected: string): Imported {
  const { settings, memory, commands, counts, file, format } = imported;
  const isEmpty = settings.length === 0 && memory === undefined && commands.length === 0 && Object.keys(counts?.counters ?? {}).length === 0;
  if (isEmpty) throw nothingUnderstood(file, format, expected);
  return imported;
}
