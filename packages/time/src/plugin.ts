/**
 * The cost models and solvers that come with mmulab, as a plugin.
 */
import { CostModelFiles, contributeCostModel, contributeSolver } from '@mmulab/api';
import { ContainerModule } from 'inversify';
import { basename } from 'node:path';
import { ModelFile } from './priced-model';
import { SOLVERS } from './solvers/solvers';
import { shippedModelFile, shippedModelNames } from './shipped';

export default new ContainerModule(load => {
  for (const name of shippedModelNames()) {
    const path = shippedModelFile(name);
    if (path !== undefined) contributeCostModel(load, new ModelFile(name, path));
  }
  for (const solver of SOLVERS) contributeSolver(load, solver);
  load.bind<CostModelFiles>(CostModelFiles).toConstantValue(path => new ModelFile(basename(path).replace(/\.ya?ml$/, ''), path));
});
