/**
 * What esbuild needs to put the engine into a page (bundle.js): the plugins of mmulab, registered as if they had been loaded, and a validator of configs that is made now, because a page
 * may not make code.
 */
'use strict';

const { readFileSync } = require('node:fs');
const { createRequire } = require('node:module');
const { join } = require('node:path');

/** `mmulab:plugins`: the named packages, each found and registered as the runner's loader would. */
function bundledPlugins(root, names) {
  const imports = names.map((name, i) => {
    const manifest = JSON.parse(readFileSync(join(root, 'packages', name, 'package.json'), 'utf8'));
    const entry = JSON.stringify(join(root, 'packages', name, manifest.mmulab.plugin));
    return {
      statement: `import * as plugin${i} from ${entry};`,
      value: `{ name: ${JSON.stringify(manifest.name)}, path: 'bundled', module: plugin${i}.default }`,
    };
  });
  const contents = `${imports.map(one => one.statement).join('\n')}\nexport default [${imports.map(one => one.value).join(', ')}];\n`;
  return {
    name: 'mmulab-plugins',
    setup(build) {
      build.onResolve({ filter: /^mmulab:plugins$/ }, () => ({ path: 'plugins', namespace: 'mmulab' }));
      build.onLoad({ filter: /.*/, namespace: 'mmulab' }, () => ({ contents, resolveDir: root }));
    },
  };
}

/** `ajv`: a class whose one validator is that of configs, compiled beforehand. */
function compiledValidator(root) {
  return {
    name: 'mmulab-validator',
    setup(build) {
      build.onResolve({ filter: /^ajv$/ }, () => ({ path: 'validator', namespace: 'mmulab-ajv' }));
      build.onLoad({ filter: /.*/, namespace: 'mmulab-ajv' }, () => {
        // The one that the runner has: tools have another.
        const requireThere = createRequire(join(root, 'packages', 'runner', 'package.json'));
        const { Ajv } = requireThere('ajv');
        const standalone = requireThere('ajv/dist/standalone').default;
        const { AJV_OPTIONS, shapeSchema } = requireThere('./lib/config/shape.js');
        const ajv = new Ajv({ ...AJV_OPTIONS, code: { source: true } });
        const code = standalone(ajv, ajv.compile(shapeSchema));
        return {
          contents: `${code}\nconst compiled = module.exports;\nmodule.exports = { Ajv: class { compile() { return compiled; } } };\n`,
          resolveDir: join(root, 'packages', 'runner'),
        };
      });
    },
  };
}

module.exports = { bundledPlugins, compiledValidator };
