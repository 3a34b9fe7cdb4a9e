/**
 * Whether the table of a kind of host memory is whole: a line for every state and kind of fault, and no state that does not exist. A backend that asks it in the middle
 * of a fault has no way to find out.
 */
import type { HostBacking, HostFault } from '@mmulab/api';
import { pluginShape } from './errors';
import { checkFields, type Fields } from './plugin-shape';

const BACKING: Fields = {
  name: 'string',
  doc: 'string',
  pageLevel: 'number',
  hugetlb: 'boolean',
  states: 'list',
  populated: 'number',
  faults: 'list',
};
const STATE: Fields = { name: 'string', present: 'boolean', writable: 'boolean', level: 'number', thp: 'boolean' };
const FAULT: Fields = { ok: 'boolean', state: 'number', spanLevel: 'number', writable: 'boolean', notifications: 'list' };

/** @throws PLUGIN_SHAPE with the place in the table */
export function checkBacking(plugin: string, backing: HostBacking): void {
  checkFields(plugin, 'a backing', backing, BACKING);
  new BackingCheck(plugin, backing).check();
}

class BackingCheck {
  constructor(
    private readonly plugin: string,
    private readonly backing: HostBacking,
  ) {}

  check(): void {
    const { states, populated, faults, edgeFaults, dropped, copied } = this.backing;
    if (states.length === 0) this.refuse('states', states, 'at least one state');
    for (const [index, state] of states.entries()) checkFields(this.plugin, this.at(`states[${index}]`), state, STATE);
    this.state('populated', populated);
    if (copied !== undefined) this.state('copied', copied);
    this.faults('faults', faults);
    if (edgeFaults !== undefined) this.faults('edgeFaults', edgeFaults);
    if (dropped === undefined) return;
    for (const [what, list] of Object.entries(dropped) as [string, readonly number[]][]) {
      if (!Array.isArray(list) || list.length !== states.length) this.refuse(`dropped.${what}`, list, `one state for each of ${states.length}`);
      list.forEach((state, index) => this.state(`dropped.${what}[${index}]`, state));
    }
  }

  private faults(name: string, faults: readonly HostFault[]): void {
    const { states } = this.backing;
    if (faults.length !== states.length * 2)
      this.refuse(
        name,
        `${faults.length} lines`,
        `${states.length * 2}: a read and a write for each of ${states.map(state => state.name).join(', ')}`,
      );
    for (const [index, fault] of faults.entries()) {
      const place = `${name}[${index}] (${states[Math.floor(index / 2)]?.name}, ${index % 2 === 0 ? 'read' : 'write'})`;
      checkFields(this.plugin, this.at(place), fault, FAULT);
      this.state(`${place}.state`, fault.state);
      const becomes = states[fault.state];
      if (fault.ok && becomes?.present !== true) this.refuse(`${place}.state`, becomes?.name, 'a state with a page, since the fault is ok');
      if (fault.ok && fault.writable && becomes?.writable !== true) this.refuse(`${place}.writable`, true, `false: ${becomes?.name} is not writable`);
      fault.notifications.forEach(({ state }, at) => this.state(`${place}.notifications[${at}].state`, state));
    }
  }

  private state(place: string, state: unknown): void {
    const { states } = this.backing;
    if (typeof state !== 'number' || states[state] === undefined) this.refuse(place, state, `a state, 0 to ${states.length - 1}`);
  }

  private refuse(place: string, value: unknown, expected: string): never {
    throw pluginShape(this.plugin, this.at(place), value, expected);
  }

  private at(place: string): string {
    return `backing ${this.backing.name}: ${place}`;
  }
}
