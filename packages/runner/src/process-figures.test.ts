import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

const onLinux = process.platform === 'linux' ? it : it.skip;

describe('the peak of memory', () => {
  // Elsewhere the system's own figure is taken as it is.
  onLinux('of a process is its own: that of its parent, 600 MB more, is not in it', () => {
    const held = Buffer.alloc(600e6, 1);
    const file = join(__dirname, '..', 'lib', 'process-figures.js');
    const printed = execFileSync(process.execPath, ['-p', `require(${JSON.stringify(file)}).peakMemoryBytes()`], { encoding: 'utf8' });
    expect(held[held.length - 1]).toBe(1);
    expect(Number(printed)).toBeGreaterThan(10e6);
    expect(Number(printed)).toBeLessThan(300e6);
  });
});
