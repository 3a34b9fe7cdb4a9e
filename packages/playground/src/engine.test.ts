/**
 * The engine in the bundled page against the engine in Node: the same counters from the same configs, in a world that has nothing of Node.
 */
import { resolveRuns, runResolved } from '@mmulab/runner';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createContext, runInContext } from 'node:vm';
import { registry } from './fixtures/registry';
import { thirtyRuns } from './fixtures/thirty-runs';

const BUNDLE = join(__dirname, '../lib/page/playground.js');
const MAX_BYTES = 3_000_000;

describe('the engine in the page', () => {
  const text = existsSync(BUNDLE) ? readFileSync(BUNDLE, 'utf8') : '';
  const world = createContext({ performance }) as { config?: string };
  if (text !== '') runInContext(text, world);
  const phasesOf = (config: unknown): unknown => {
    world.config = JSON.stringify(config);
    return JSON.parse(runInContext('JSON.stringify(mmulab.run(JSON.parse(config)))', world) as string);
  };

  it('is bundled (npm run build), and leaves room for a page of 3 MB', () => {
    expect(text.length).toBeGreaterThan(0);
    expect(Buffer.byteLength(text)).toBeLessThan(MAX_BYTES);
  });

  it('is 30 different runs', () => {
    expect(new Set(thirtyRuns.map(run => JSON.stringify(run))).size).toBe(30);
  });

  it.each(thirtyRuns.map((config, i) => [i + 1, config.workload, config] as const))(
    'counts in run %i (%s) as it does in Node',
    (_i, _workload, config) => {
      const inNode = resolveRuns(config, registry).map(run => runResolved(run, registry).phases);
      expect(phasesOf(config)).toEqual(JSON.parse(JSON.stringify(inNode)));
    },
  );

  it('refuses a wrong config with the same words', () => {
    for (const wrong of [
      { backnd: 'x86-tdp', workload: 'execute_perf_test' },
      { workload: 'execute_perf_test -q' },
      { backend: 'x86-tdp', vary: { x: [] } },
    ]) {
      const message = (act: () => unknown): string => {
        try {
          act();
          return '';
        } catch (error) {
          return (error as Error).message;
        }
      };
      const inNode = message(() => resolveRuns(wrong, registry));
      expect(inNode).not.toBe('');
      expect(message(() => phasesOf(wrong))).toBe(inNode);
    }
  });
});
