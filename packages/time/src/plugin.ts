/**
 * The cost models that come with mmulab, as a plugin.
 */
import { TimeModelFiles, contributeTimeModel } from '@mmulab/api';
import { ContainerModule } from 'inversify';
import { basename } from 'node:path';
import { ModelFile } from './priced-model';
import { shippedModelFile, shippedModelNames } from './shipped';

export default new ContainerModule(load => {
  for (const name of shippedModelNames()) {
    const path = shippedModelFile(name);
    if (path !== undefined) contributeTimeModel(load, new ModelFile(name, path));
  }
  load.bind<TimeModelFiles>(TimeModelFiles).toConstantValue(path => new ModelFile(basename(path).replace(/\.ya?ml$/, ''), path));
});
