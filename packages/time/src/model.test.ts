import { otherHost, readHost, sameHost, type Host } from './host';
import { readModel } from './model';
import { beliefOf, conditioned } from './belief';
import { predict, priceOf, type Prediction, type PriceRequest } from './prediction';
import { unknownHost } from './priced-model';
import { meanWork, repeatedWork, spreadOf } from './seeds';
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
const work = (phase: string, vcpus: number): PriceRequest['work'] => ({
  phase,
  vcpus,
  vcpu: { page_fault: 1000, words: 0 },
  host: { page_fault: 0, words: 500 },
  accesses,
  pages: 1000,
});
const request = (phase: string, vcpus: number, host: Host = sameHost(model.host)): PriceRequest => ({
  model,
  work: work(phase, vcpus),
  host: host.facts,
  solver: mvaSolver,
  values: beliefOf([model], host).values,
});
const predicted = (phase: string, vcpus: number, host: Host = sameHost(model.host)): Prediction | undefined =>
  predict(request(phase, vcpus, host), beliefOf([model], host));

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
    const same = predicted('dirty_1', 1);
    const other = predicted('dirty_1', 1, readHost('{ cores: 4, threads: 8 }', 'h.yaml', model.host));
    expect(same?.basis).toBe('calibrated');
    expect(predicted('dirty_1', 8)?.basis).toBe('uncalibrated');
    expect((same?.lowS ?? 0) * (same?.highS ?? 0)).toBeCloseTo((same?.timeS ?? 0) ** 2, 12);
    expect(other?.sigma).toBeGreaterThan(same?.sigma ?? 1);
  });

  it('is faster by a fifth of its CPU part where cpu is 0.8', () => {
    expect(priceOf(request('dirty_1', 1, readHost('{ factors: { cpu: 0.8 } }', 'h.yaml', model.host)))?.timeS).toBeCloseTo(1.3e-3, 9);
  });

  it('learns from one figure of another machine what it can: the time comes near, the interval narrows, and what the figure hardly touches hardly moves', () => {
    const before = beliefOf([model], otherHost(model.host));
    const observed = request('dirty_1', 1);
    const after = conditioned(before, [{ request: observed, publishedS: 2 * 1.5e-3 }]);
    const [timeBefore, timeAfter] = [before, after].map(belief => predict(observed, belief));
    expect(timeAfter?.timeS).toBeGreaterThan(1.4 * (timeBefore?.timeS ?? 1));
    expect(timeAfter?.timeS).toBeLessThan(3e-3);
    expect(timeAfter?.sigma).toBeLessThan(0.75 * (timeBefore?.sigma ?? 0));
    expect(after.values.get('small.k')).toBeCloseTo(2, 6);
    expect(after.values.get('host.cpu') ?? 0).toBeGreaterThan(after.values.get('host.clear') ?? 9);
  });

  it.each([
    ['te: { value: 1 us', 'te: { value: 0 us', 'MODEL_SHAPE: small.yaml: parameters.te.value'],
    ['te: { value: 1 us', 'te: { value: 20 us', 'MODEL_SHAPE: small.yaml: parameters.te.value'],
    ['te: { value: 1 us', 'te: { value: 1 kg', 'MODEL_SHAPE'],
    ['[0.1 us, 10 us]', '[10 us, 0.1 us]', 'MODEL_SHAPE: small.yaml: parameters.te.range'],
    ['factor: 1.1', 'factor: 0.5', 'MODEL_SHAPE: small.yaml: parameters.te.factor'],
    ['factor: 1.1', 'factor: 1.1, like: other', 'MODEL_SHAPE: small.yaml: parameters.te.within'],
    ['factor: 1.1', 'factor: 1.1, within: 1.2', 'MODEL_SHAPE: small.yaml: parameters.te.like'],
    ['factor: 1.1', 'facter: 1.1', 'MODEL_UNKNOWN_KEY: small.yaml: parameters.te: facter: not a key here (did you mean factor?)'],
    ['fault: smt * page_fault', 'fault: smt * page_falt', 'MODEL_UNKNOWN_NAME: small.yaml: phases.guest.delays.fault: page_falt'],
    ['phases: dirty_.*', 'phases: "dirty_(.*"', 'MODEL_SHAPE: small.yaml: phases.guest.phases'],
    ['cores: 4', 'cores: 0', 'MODEL_SHAPE: small.yaml: host: cores'],
    ['schema: mmulab.model.v1', 'schema: v2', 'MODEL_SHAPE: small.yaml: schema'],
    ['host: { phases', 'host: { phases: [', 'MODEL_NOT_YAML: small.yaml'],
    ['host: { phases', `deep: ${'['.repeat(10_000)}\n  host: { phases`, 'MODEL_NOT_YAML: small.yaml: nested more than 64 levels deep'],
    ['smt * page_fault * te', 'known(3, te)', 'MODEL_EXPRESSION: small.yaml: phases.guest.delays.fault'],
  ])('with %s made %s is refused: %s', (right, wrong, message) => {
    expect(() => readModel(MODEL.replace(right, wrong), 'small.yaml', COUNTERS)).toThrow(message);
  });

  it('takes a counter that a backend has, and reckons where it has none: known(name, otherwise)', () => {
    const text = MODEL.replace('smt * page_fault * te', '"known(faults.slow, page_fault / 2) * te"');
    const time = (counters: readonly string[]): number =>
      priceOf({
        ...request('dirty_1', 1),
        model: readModel(text, 'small.yaml', counters),
        work: { ...work('dirty_1', 1), vcpu: { page_fault: 1000, 'faults.slow': 100 } },
      })?.terms['fault'] ?? 0;
    expect(time(COUNTERS)).toBeCloseTo(5e-4, 9);
    expect(time([...COUNTERS, 'faults.slow'])).toBeCloseTo(1e-4, 9);
  });

  it('prices the mean of several seeds, says how far they lie apart, and prices a phase that is done twice twice', () => {
    const { work: once, ...rest } = request('dirty_1', 1);
    const twice = repeatedWork(once, 2);
    const mean = meanWork([once, twice]);
    expect([once, mean, twice].map(({ vcpu }) => vcpu['page_fault'])).toEqual([1000, 1500, 2000]);
    expect(priceOf({ ...rest, work: twice })?.timeS).toBeCloseTo(2 * 1.5e-3, 9);
    expect(spreadOf(rest, [once, twice])).toBeCloseTo(Math.log(2) / Math.SQRT2, 6);
    expect(predict({ ...rest, work: { ...mean, spread: 0.5 } }, beliefOf([model], sameHost(model.host)))?.sigma).toBeGreaterThan(0.5);
  });

  it('takes a machine nothing is known of for a typical one of its architecture, with the errors of the prior', () => {
    const host = unknownHost(model.host, { ...model, backends: ['x86-tdp'] });
    expect(host.commonSigma).toBe(0.3);
    expect(host.factors.line.value).not.toBe(1);
    expect(host.factors.line.sigma).toBe(otherHost(model.host).factors.line.sigma);
    expect(host.facts).toEqual(model.host);
  });

  it('takes no host whose threads are fewer than its cores, and no factor below 0', () => {
    expect(() => readHost('{ cores: 4, threads: 2 }', 'h.yaml', model.host)).toThrow('MODEL_SHAPE: h.yaml');
    expect(() => readHost('{ factors: { cpu: -1 } }', 'h.yaml', model.host)).toThrow('MODEL_SHAPE: h.yaml: factors.cpu');
    expect(() => readHost('{ factors: { cpuu: 1 } }', 'h.yaml', model.host)).toThrow('(did you mean cpu?)');
  });
});
