/**
 * Firecracker: a whole machine configuration (`--config-file`), or the body of `PUT /machine-config`.
 *
 * Models: Firecracker 1.7 to 1.10, vmm_config/machine_config.rs and balloon.rs.
 */
import { parseJson } from '@mmulab/runner';
import { importMalformed, importValue } from './errors';
import type { Format, LeftOut } from './imported';
import { readVm } from './vm';

const NAME = 'Firecracker machine configuration';
const MIB = 2 ** 20;
/** Parts of the configuration that have none in the MMU. */
const DEVICES = [
  'boot-source',
  'drives',
  'network-interfaces',
  'vsock',
  'logger',
  'metrics',
  'mmds-config',
  'entropy',
  'cpu-config',
  'pmem',
  'serial',
  'memory-hotplug',
];
const OTHER_FIELDS: Readonly<Record<string, string>> = {
  smt: 'threads of a core share no second-stage tables of their own',
  ht_enabled: 'threads of a core share no second-stage tables of their own',
  cpu_template: 'hides CPU features from the guest',
  track_dirty_pages: 'the test says when it logs dirty pages',
};

type JsonMap = Readonly<Record<string, unknown>>;

/** Firecracker's JSON. */
export const firecracker: Format = {
  name: NAME,
  expected: 'machine-config with vcpu_count and mem_size_mib',
  isFormat: text => /^\s*\{/.test(text) && /"machine-config"|"vcpu_count"/.test(text),
  read: (text, file) => {
    const document = jsonOf(text, file);
    const isWhole = 'machine-config' in document;
    const machine = mapAt(document, isWhole ? 'machine-config' : undefined, file);
    const leftOut: LeftOut[] = [];
    const others = isWhole ? Object.keys(document).filter(key => key !== 'machine-config' && key !== 'balloon') : [];
    for (const key of others)
      leftOut.push({ said: key, why: DEVICES.includes(key) ? 'no part in the second-stage MMU' : 'not a part of the configuration that is known' });
    for (const key of Object.keys(machine).filter(name => !MACHINE_FIELDS.includes(name))) {
      leftOut.push({ said: key, why: OTHER_FIELDS[key] ?? 'not a field that is known' });
    }
    const vcpus = numberAt(machine, 'vcpu_count', file, 1);
    const memoryMib = numberAt(machine, 'mem_size_mib', file, 1);
    const balloonMib = balloonOf(document, file);
    if (balloonMib >= memoryMib && balloonMib > 0)
      throw importValue({ file }, 'balloon.amount_mib', balloonMib, `less than mem_size_mib, ${memoryMib}`);
    const given = `mem_size_mib ${memoryMib}`;
    const said = balloonMib === 0 ? given : `${given} less the balloon's ${balloonMib}`;
    return readVm({
      vcpus: { count: vcpus, said: `vcpu_count ${vcpus}` },
      memory: { bytes: (memoryMib - balloonMib) * MIB, said },
      backing: {
        hugeBytes: hugePages(machine, file),
        shared: false,
        thp: false,
        said: `huge_pages ${JSON.stringify(machine['huge_pages'] ?? 'None')}`,
      },
      leftOut,
    });
  },
};

const MACHINE_FIELDS = ['vcpu_count', 'mem_size_mib', 'huge_pages'];

function jsonOf(text: string, file: string): JsonMap {
  const parsed = parseJson(text);
  if ('problem' in parsed) throw importMalformed({ file, line: parsed.line }, NAME, parsed.problem);
  return mapOf(parsed.value, 'the document', file);
}

function mapAt(map: JsonMap, key: string | undefined, file: string): JsonMap {
  return key === undefined ? map : mapOf(map[key], key, file);
}

function mapOf(value: unknown, what: string, file: string): JsonMap {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw importValue({ file }, what, kindOf(value), 'an object');
  return value as JsonMap;
}

function kindOf(value: unknown): string {
  return Array.isArray(value) ? 'a list' : typeof value;
}

function numberAt(map: JsonMap, key: string, file: string, min: number): number {
  const value = map[key];
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min) {
    throw importValue({ file }, key, typeof value === 'object' ? kindOf(value) : value, `a whole number, ${min} or more`);
  }
  return value;
}

function balloonOf(document: JsonMap, file: string): number {
  const balloon = document['balloon'];
  return balloon === undefined || balloon === null ? 0 : numberAt(mapOf(balloon, 'balloon', file), 'amount_mib', file, 0);
}

function hugePages(machine: JsonMap, file: string): number | undefined {
  const value = machine['huge_pages'] ?? 'None';
  if (value === 'None') return undefined;
  if (value === '2M') return 2 * MIB;
  throw importValue({ file }, 'huge_pages', typeof value === 'object' ? kindOf(value) : value, 'None or 2M');
}
