import { codeOf, toyRegistry } from '../fixtures/registry';
import { commandLineConfig, splitCommand } from './command-line';

describe('a command line', () => {
  it('is split as a shell does', () => {
    expect(splitCommand(`a  -b 'c d'\t"e \\" f"g\\ h ''`)).toEqual(['a', '-b', 'c d', 'e " fg h', '']);
    expect(splitCommand('')).toEqual([]);
    expect(codeOf(() => splitCommand(`a "b`))).toBe('WORKLOAD_COMMAND');
    expect(codeOf(() => splitCommand(`a b'`))).toBe('WORKLOAD_COMMAND');
  });

  it('becomes the workload of a config, its directory left out', () => {
    expect(commandLineConfig(['./x86/toy_test', '-v', '2'], toyRegistry())).toEqual({ workload: { name: 'toy_test', options: { vcpus: '2' } } });
    expect(codeOf(() => commandLineConfig(['dirty_log_perf_test'], toyRegistry()))).toBe('CONFIG_UNKNOWN_WORKLOAD');
    expect(codeOf(() => commandLineConfig([], toyRegistry()))).toBe('WORKLOAD_COMMAND');
  });
});
