import { join } from 'node:path';
import { codeOf, writeFiles } from '../fixtures/registry';
import { readTestFile, testFilesIn } from './test-files';

describe('a .test file', () => {
  const read = (text: string): readonly string[] => readTestFile(join(writeFiles({ 'a.test': text }), 'a.test'));

  it('holds one command line among comments and empty lines', () => {
    expect(read('# SPDX\r\n\n  ./toy_test -v 2 -s "shmem"\r\n# end\n')).toEqual(['toy_test', '-v', '2', '-s', 'shmem']);
  });

  it('may have a comment behind its command line, and a # within words and quotes', () => {
    expect(read('toy_test -v 2   # two vCPUs, "unbalanced\n')).toEqual(['toy_test', '-v', '2']);
    expect(read('toy_test -s a#b "# c" \\#d\n')).toEqual(['toy_test', '-s', 'a#b', '# c', '#d']);
  });

  it('is found in a folder with all others, below it too, in the order of their paths', () => {
    const folder = writeFiles({ 'b.test': 'toy_test', 'a/z.test': 'toy_test', 'a/x.yaml': '' });
    expect(testFilesIn(folder)).toEqual([join(folder, 'a/z.test'), join(folder, 'b.test')]);
    expect(codeOf(() => testFilesIn(writeFiles({ 'x.yaml': '' })))).toBe('FILE_UNREADABLE');
    expect(codeOf(() => testFilesIn('/nowhere'))).toBe('FILE_UNREADABLE');
  });

  it('with none, with two, or that does not exist is refused', () => {
    expect(codeOf(() => read('# nothing\n'))).toBe('TEST_FILE_COMMANDS');
    expect(codeOf(() => read('a\nb\n'))).toBe('TEST_FILE_COMMANDS');
    expect(codeOf(() => readTestFile('nowhere.test'))).toBe('FILE_NOT_FOUND');
  });
});
