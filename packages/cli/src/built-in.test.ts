import { Registry } from '@mmulab/runner';
import { BUILT_IN_PLUGINS, builtInDirectories, loadRegistry } from './built-in';

describe('the 4 plugins that come with the command', () => {
  it('stand the checks of other people’s plugins, which each start of the command leaves out', () => {
    const [checked, taken] = [Registry.load(builtInDirectories()), loadRegistry()];
    expect(checked.plugins().map(({ name }) => name)).toEqual(BUILT_IN_PLUGINS);
    expect(taken.plugins()).toEqual(checked.plugins());
  });
});
