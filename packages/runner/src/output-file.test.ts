/**
 * Files as they are before, during and after they are written, whatever stands in their place.
 */
import { execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { codeOf, messageOf, writeFiles } from './fixtures/registry';
import { checkOutputDirectory, makeOutputDirectory } from './output-directory';
import { OutputFile, watchUnfinishedFiles, withOutputFile, writeOutputFile, type OutputSystem } from './output-file';
import { findTarget } from './output-target';
import { writeAll, type WriteBytes } from './write-all';

/** A path in a directory of its own. */
function place(files: Readonly<Record<string, string>> = {}): string {
  return join(writeFiles({ 'other.txt': 'other', ...files }), 'run.log');
}

const read = (path: string): string => readFileSync(path, 'utf8');
/** What lies in the directory of a path. */
const beside = (path: string): string[] => readdirSync(dirname(path)).sort();

function systemError(code: string, text: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: ${text}, write`), { code });
}

/** A disk with room for so many bytes, which takes at most 7 at a time. */
function disk(room: number): OutputSystem {
  let left = room;
  const write: WriteBytes = (fd, bytes, offset, length) => {
    const count = Math.min(length, left, 7);
    if (count === 0) throw systemError('ENOSPC', 'no space left on device');
    left -= count;
    return writeSync(fd, bytes, offset, count);
  };
  return { write };
}

/** Writes 1,000 characters and ends the file. */
function writeThousand(path: string, system: OutputSystem): void {
  const file = OutputFile.open(path, {}, system);
  for (let i = 0; i < 10; i++) file.append('x'.repeat(100));
  file.commit();
}

describe('a file that is written', () => {
  it('is not there before it is complete, and then has all of it', () => {
    const path = place();
    const file = OutputFile.open(path);
    file.append('one ');
    file.append('x'.repeat(100_000));
    expect(existsSync(path)).toBe(false);
    file.commit();
    expect(read(path)).toBe(`one ${'x'.repeat(100_000)}`);
    expect(beside(path)).toEqual(['other.txt', 'run.log']);
  });

  it('keeps its old contents until then, and for good when the work fails', () => {
    const path = place({ 'run.log': 'old' });
    const work = (): never =>
      withOutputFile(path, {}, file => {
        file.append('x'.repeat(100_000));
        expect(read(path)).toBe('old');
        throw new Error('the run fails');
      });
    expect(work).toThrow('the run fails');
    expect(read(path)).toBe('old');
    expect(beside(path)).toEqual(['other.txt', 'run.log']);
  });

  it('keeps its mode, its other names and its links', () => {
    const path = place({ 'run.log': 'old', 'twin.txt': 'twin' });
    const [link, twin] = [join(dirname(path), 'link'), join(dirname(path), 'twin.txt')];
    chmodSync(path, 0o640);
    symlinkSync('run.log', link);
    writeOutputFile(link, ['new']);
    expect([read(path), lstatSync(link).isSymbolicLink(), statSync(path).mode & 0o777]).toEqual(['new', true, 0o640]);
    linkSync(twin, `${twin}.2`);
    writeOutputFile(twin, ['n', 'ew']);
    expect([read(twin), read(`${twin}.2`), statSync(twin).nlink]).toEqual(['new', 'new', 2]);
  });

  it('is made where a link points that points to nothing yet', () => {
    const path = place();
    mkdirSync(join(dirname(path), 'results'));
    symlinkSync('results/run.log', path);
    withOutputFile(path, {}, file => file.append('new'));
    expect([read(join(dirname(path), 'results/run.log')), lstatSync(path).isSymbolicLink()]).toEqual(['new', true]);
  });

  it('is not removed when somebody else made it meanwhile and it was not to be replaced', () => {
    const path = place();
    const file = OutputFile.open(path, { overwrite: false });
    file.append('ours');
    writeFileSync(path, 'theirs');
    expect(codeOf(() => file.commit())).toBe('FILE_EXISTS');
    expect([read(path), beside(path)]).toEqual(['theirs', ['other.txt', 'run.log']]);
    unlinkSync(path);
    writeOutputFile(path, ['ours'], { overwrite: false });
    expect(read(path)).toBe('ours');
  });

  it('tells of what lies beside it, for whoever has to tidy up after an interrupt', () => {
    const path = place();
    const told: (readonly [string, boolean])[] = [];
    watchUnfinishedFiles((name, isThere) => told.push([name, isThere && existsSync(name)]));
    writeOutputFile(path, ['new']);
    watchUnfinishedFiles(undefined);
    expect(told).toEqual([
      [expect.stringMatching(/\.mmulab-\d+-\d+-\d+\.tmp$/), true],
      [told[0]?.[0], false],
    ]);
    expect(dirname(told[0]?.[0] ?? '')).toBe(dirname(path));
  });

  it('is written once at a time', () => {
    const path = place();
    const file = OutputFile.open(path);
    expect(messageOf(() => OutputFile.open(join(dirname(path), '.', basename(path))))).toContain('is being written already');
    file.abort();
    expect(codeOf(() => writeOutputFile(path, ['new']))).toBe('');
  });
});

describe('a disk', () => {
  it('that takes 7 bytes at a time gets all 1,000', () => {
    const path = place();
    writeThousand(path, disk(1000));
    expect(read(path)).toHaveLength(1000);
  });

  it('that is full after 999 leaves the old contents and nothing else', () => {
    const path = place({ 'run.log': 'old' });
    expect(messageOf(() => writeThousand(path, disk(999)))).toBe(`FILE_UNWRITABLE: ${path}: no space left on device`);
    expect([read(path), beside(path)]).toEqual(['old', ['other.txt', 'run.log']]);
    const fresh = place();
    expect(codeOf(() => writeThousand(fresh, disk(999)))).toBe('FILE_UNWRITABLE');
    expect(beside(fresh)).toEqual(['other.txt']);
  });

  it('that lets nothing be put into the place of a file gets the contents into it', () => {
    const path = place({ 'run.log': 'x'.repeat(2000) });
    const rename = (): void => {
      throw systemError('EBUSY', 'resource busy or locked');
    };
    const inode = statSync(path).ino;
    writeThousand(path, { rename });
    expect([read(path).length, statSync(path).ino, beside(path)]).toEqual([1000, inode, ['other.txt', 'run.log']]);
    const message = messageOf(() => writeThousand(path, { ...disk(1500), rename }));
    expect(message).toMatch(/no space left on device; what was to be written is in .*\.tmp$/);
    expect(read(/is in (.*)$/.exec(message)?.[1] ?? '')).toHaveLength(1000);
  });

  it('that takes nothing any more is full, whatever it says', () => {
    expect(() => writeAll(1, Buffer.from('text'), () => 0)).toThrow('only 0 of 4 bytes');
  });

  it('that is not ready is asked again', () => {
    let asked = 0;
    writeAll(1, Buffer.from('text'), (_fd, _bytes, _offset, length) => {
      if (asked++ < 2) throw systemError('EAGAIN', 'resource temporarily unavailable');
      return length;
    });
    expect(asked).toBe(3);
  });
});

describe('devices and pipes', () => {
  it('are written to and stay what they are', () => {
    const link = place();
    symlinkSync('/dev/null', link);
    writeOutputFile(link, ['lost']);
    const file = OutputFile.open('/dev/null');
    file.append('lost');
    file.abort();
    expect([statSync('/dev/null').isCharacterDevice(), lstatSync(link).isSymbolicLink()]).toEqual([true, true]);
  });

  it('say when they are full', () => {
    expect(messageOf(() => writeOutputFile('/dev/full', ['text']))).toBe('FILE_UNWRITABLE: /dev/full: no space left on device');
    expect(statSync('/dev/full').isCharacterDevice()).toBe(true);
  });

  it('take what is written when somebody reads it: 1,000,000 characters through a pipe', async () => {
    const path = place();
    execFileSync('mkfifo', [path]);
    const reader = spawn('sh', ['-c', 'sleep 0.2; wc -c < "$0"', path], { stdio: ['ignore', 'pipe', 'inherit'] });
    let counted = '';
    reader.stdout.on('data', (chunk: Buffer) => (counted += chunk.toString()));
    writeOutputFile(path, ['x'.repeat(1_000_000)]);
    await new Promise(done => reader.on('close', done));
    expect([counted.trim(), statSync(path).isFIFO()]).toEqual(['1000000', true]);
  });

  it('are known by their descriptors, which are neither opened again nor closed', () => {
    expect(findTarget('/dev/stderr')).toEqual({ kind: 'descriptor', fd: 2 });
    expect(findTarget('/dev/fd/1')).toEqual({ kind: 'descriptor', fd: 1 });
    writeOutputFile('/dev/stderr', []);
    expect(() => writeSync(2, '')).not.toThrow();
  });
});

describe('places that cannot be written to are refused before the work', () => {
  it.each([
    ['a directory', (path: string) => dirname(path), 'is a directory; expected the name of a file'],
    ['a file in no directory', (path: string) => join(path, 'no', 'such'), 'there is no directory'],
    ['a file in a file', (path: string) => join(dirname(path), 'other.txt', 'x'), 'is no directory'],
    ['a name that is too long', (path: string) => path + 'x'.repeat(300), 'name too long'],
    ['a link to itself', linkToItself, 'too many symbolic links'],
    ['a read-only file', readOnlyFile, 'is read-only'],
    ['a file where the system lets none be made', () => '/proc/mmulab', ''],
  ])('%s', (_what, choose, problem) => {
    const message = messageOf(() => OutputFile.open(choose(place())));
    expect(message).toMatch(/^FILE_UNWRITABLE: /);
    expect(message).toContain(problem);
  });

  it('and so are directories, of which none is made', () => {
    const path = place();
    checkOutputDirectory(join(path, 'a', 'b'));
    expect(existsSync(path)).toBe(false);
    makeOutputDirectory(join(path, 'a', 'b'));
    checkOutputDirectory(join(path, 'a', 'b'));
    expect(codeOf(() => checkOutputDirectory(join(dirname(path), 'other.txt', 'x')))).toBe('FILE_UNWRITABLE');
    expect(codeOf(() => checkOutputDirectory(join(dirname(path), 'other.txt')))).toBe('FILE_UNWRITABLE');
  });
});

function linkToItself(path: string): string {
  symlinkSync('run.log', path);
  return path;
}

function readOnlyFile(path: string): string {
  writeFileSync(path, 'old');
  chmodSync(path, 0o444);
  return path;
}
