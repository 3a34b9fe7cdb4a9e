/**
 * A config in one form, whichever of the short ways of writing it was used. It is made by settings.ts.
 */
import type { Registry } from '../registry';
import type { RawBackend, RawConfig, RawOptions } from './types';

/** A config in one form: backend and workload as maps, command lines read, empty sections left out. */
export interface NormalConfig extends RawConfig {
  readonly backend: RawBackend;
  readonly workload: { readonly name?: string | undefined; readonly options: RawOptions };
}

/** The backend a config means: the first one installed when it names none. @throws CONFIG_UNKNOWN_BACKEND */
export function backendOf(config: NormalConfig, registry: Registry): ReturnType<Registry['backend']> {
  return registry.backend(config.backend.name ?? registry.backends()[0]?.name ?? '');
}
