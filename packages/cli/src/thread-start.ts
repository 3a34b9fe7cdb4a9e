/**
 * Where the thread of a command starts: loads what it runs, out of the bundle if there is one.
 */
import { loadModule } from './bundle';

loadModule('command-thread');
