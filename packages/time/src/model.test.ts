import { readHost, sameHost } from './host';
import { readModel } from './model';
import { predict, priceOf, valuesOf } from './prediction';
import { mvaSolver } from './solvers/mva';

const MODEL = `
schema: mmulab.model.v1
name: small
doc: A lock and a fault.
backends: [toy]
host: { sockets: 1, cores: 4, threads: 8 }
parameters:
  te: { value: 1 us, factor: 1.1, range: [0.1 us, 10 us], host: cpu, origin: fitted TABLE }
  hold: { value: 0.5 us, factor: 1.2, host: line, origin: fitted TABLE }
  k: { value: 2, factor: 1.3, range: [1, 3], origin: uncalibrated }
let: { smt: "vcpus > cores ? k : 1" }
phases:
  guest:
    phases: dirty_.*
    delays: { fault: smt * page_fault * te }
    stations: { lock: { visits: page_fault, service: "hold * sqrt(n)" } }
    extra: { tail: "vcpus > threads ? alone : 0" }
  host: { phases: enable_log, serial: { words: host.words * te } }
`;
const COUNTERS = ['page_fault', 'words'];
const model = readModel(MODEL, 'small.yaml', COUNTERS);
const accesses = { reads: 0, writes: 0, executes: 0 };
const work = (phase: string, vcpus: number): Parameters<typeof priceOf>[0]['work'] => ({
  phase,
  vcpus,
  vcpu: { page_fault: 1000, words: 0 },
  host: { page_fault: 0, words: 500 },
  accesses,
});
const request = (phase: string, vcpus: number): Parameters<typeof priceOf>[0] => ({
  model,
  work: work(phase, vcpus),
  host: sameHost(model.host),
  solver: mvaSolver,
  values: valuesOf(model),
});

describe('a model', () => {
  it('prices 1000 faults of one vCPU at 1 + 0.5 us each', () => {
    const priced = priceOf(request('dirty_1', 1));
    expect(priced?.timeS).toBeCloseTo(1.5e-3, 9);
    expect(priced?.bottleneck).toBe('fault');
    expect(Object.values(priced?.terms ?? {}).reduce((a, b) => a + b, 0)).toBeCloseTo(priced?.timeS ?? 0, 12);
  });

  it('prices 500 words of the host at 1 us, whatever the vCPUs, and says nothing of a phase it does not know', () => {
    expect(priceOf(request('enable_log', 0))?.timeS).toBeCloseTo(5e-4, 9);
    expect(priceOf(request('populate', 4))).toBeUndefined();
  });

  it('has a time that grows with vCPUs, siblings and too few threads', () => {
    const times = [1, 4, 8, 9].map(vcpus => priceOf(request('dirty_1', vcpus))?.timeS ?? 0);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect(new Set(times).size).toBe(4);
  });

  it('gives a 90 % interval around the time, wider on another host, and the basis of what matters', () => {
    const same = predict(request('dirty_1', 1));
    const other = predict({ ...request('dirty_1', 1), host: readHost('{ cores: 4, threads: 8 }', 'h.yaml', model.host) });
    expect(same?.basis).toBe('calibrated');
    expect(predict(request('dirty_1', 8))?.basis).toBe('uncalibrated');
    expect((same?.lowS ?? 0) * (same?.highS ?? 0)).toBeCloseTo((same?.timeS ?? 0) ** 2, 12);
    expect(other?.sigma).toBeGreaterThan(same?.sigma ?? 1);
  });

  it('is faster by a fifth of its CPU part where cpu is 0.8', () => {
    const host = readHost('{ factors: { cpu: 0.8 } }', 'h.yaml', model.host);
    expect(priceOf({ ...request('dirty_1', 1), host })?.timeS).toBeCloseTo(1.3e-3, 9);
  });

  it.each([
    ['te: { value: 1 us', 'te: { value: 0 us', 'MODEL_SHAPE: small.yaml: parameters.te.value'],
    ['te: { value: 1 us', 'te: { value: 20 us', 'MODEL_SHAPE: small.yaml: parameters.te.value'],
    ['te: { value: 1 us', 'te: { value: 1 kg', 'MODEL_SHAPE'],
    ['[0.1 us, 10 us]', '[10 us, 0.1 us]', 'MODEL_SHAPE: small.yaml: parameters.te.range'],
    ['factor: 1.1', 'factor: 0.5', 'MODEL_SHAPE: small.yaml: parameters.te.factor'],
    ['factor: 1.1', 'facter: 1.1', 'MODEL_UNKNOWN_KEY: small.yaml: parameters.te: facter: not a key here (did you mean factor?)'],
    ['fault: smt * page_fault', 'fault: smt * page_falt', 'MODEL_UNKNOWN_NAME: small.yaml: phases.guest.delays.fault: page_falt'],
    ['phases: dirty_.*', 'phases: "dirty_(.*"', 'MODEL_SHAPE: small.yaml: phases.guest.phases'],
    ['cores: 4', 'cores: 0', 'MODEL_SHAPE: small.yaml: host: cores'],
    ['schema: mmulab.model.v1', 'schema: v2', 'MODEL_SHAPE: small.yaml: schema'],
  ])('with %s made %s is refused: %s', (right, wrong, message) => {
    expect(() => readModel(MODEL.replace(right, wrong), 'small.yaml', COUNTERS)).toThrow(message);
  });

  it('takes no host whose threads are fewer than its cores, and no factor below 0', () => {
    expect(() => readHost('{ cores: 4, threads: 2 }', 'h.yaml', model.host)).toThrow('MODEL_SHAPE: h.yaml');
    expect(() => readHost('{ factors: { cpu: -1 } }', 'h.yaml', model.host)).toThrow('MODEL_SHAPE: h.yaml: factors.cpu');
    expect(() => readHost('{ factors: { cpuu: 1 } }', 'h.yaml', model.host)).toThrow('(did you mean cpu?)');
  });
});
