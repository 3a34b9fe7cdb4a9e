/**
 * The border: what the runner is to a browser holds nothing of Node.
 */
import { buildSync } from 'esbuild';
import { isBuiltin } from 'node:module';
import { join } from 'node:path';

describe('the runner for browsers', () => {
  const { metafile } = buildSync({
    entryPoints: [join(__dirname, 'browser.ts')],
    bundle: true,
    write: false,
    metafile: true,
    platform: 'browser',
    // A module of Node that somebody imports shows in the list below instead of failing the build.
    external: ['node:*'],
    tsconfigRaw: { compilerOptions: { experimentalDecorators: true } },
  });

  it('needs no module of Node', () => {
    const imports = Object.entries(metafile.inputs).flatMap(([file, input]) => input.imports.map(one => `${file}: ${one.path}`));
    expect(imports.filter(line => isBuiltin(line.slice(line.lastIndexOf(': ') + 2)))).toEqual([]);
  });

  it('reads, composes and runs configs', () => {
    const files = Object.keys(metafile.inputs).map(file => file.replace(/^.*packages\/runner\//, ''));
    expect(files).toEqual(expect.arrayContaining(['src/config/validate.ts', 'src/compose.ts', 'src/run.ts', 'src/sim/scheduler.ts']));
    expect(files).not.toContain('src/files.ts');
  });
});
