/**
 * A connection to the Redis server of a queue, and what is there beside the jobs: the open sweeps, and who collects the results of each.
 *
 * Only the first connection may fail. A server that goes away later is waited for: it may be restarted, and the jobs are still there then.
 */
import type { Redis } from 'ioredis';
import { hostname } from 'node:os';
import type * as IoRedis from 'ioredis';
import { problemOf, queueAuth, queueFailed, queueSweepAttached, queueUnreachable } from '../errors';
import { isAlive } from '../processes';
import type { SweepDocument } from '../sweep-folder';
import { withoutCredentials, type QueueAddress, type ServerOptions } from './queue-address';

/** In front of all keys in the server. */
export const QUEUE_PREFIX = 'mmulab';

const SWEEPS_KEY = `${QUEUE_PREFIX}:sweeps`;
const OWNER_MS = 10_000;
const RENEW_MS = 2_500;
const CONNECT_MS = 5_000;
const LONGEST_PAUSE_MS = 1_000;
const REFUSED_PASSWORD = /WRONGPASS|NOAUTH|invalid (username-)?password|without any password/i;
const UNREACHABLE = /ECONNREFUSED|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ECONNRESET|Connection is closed/;

/** Options of a connection that waits for its server. */
export type PatientOptions = ServerOptions & { readonly maxRetriesPerRequest: null; readonly retryStrategy: (times: number) => number };

/** Options for connections that outlive the server. */
export function patientOptions({ options }: QueueAddress): PatientOptions {
  return { ...options, maxRetriesPerRequest: null, retryStrategy: times => Math.min(100 * times, LONGEST_PAUSE_MS) };
}

/** The queue's server. */
export class QueueConnection {
  private constructor(
    readonly address: QueueAddress,
    private readonly redis: Redis,
  ) {}

  /**
   * Connects.
   * @param onNote told when the server goes away, and when it is back
   * @throws QUEUE_UNREACHABLE, QUEUE_AUTH, QUEUE_FAILED
   */
  static async open(address: QueueAddress, onNote: (note: string) => void = () => undefined): Promise<QueueConnection> {
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- whoever has no queue loads none
    const { Redis: Client } = require('ioredis') as typeof IoRedis;
    await tryOnce(new Client({ ...address.options, lazyConnect: true, connectTimeout: CONNECT_MS, retryStrategy: () => undefined }), address.name);
    const redis = new Client(patientOptions(address));
    let isAway = false;
    redis.on('error', () => undefined);
    redis.on('close', () => {
      if (redis.status !== 'end' && !isAway) onNote(`${address.name} is away: waiting for it`);
      isAway = true;
    });
    redis.on('ready', () => {
      if (isAway) onNote(`${address.name} is back`);
      isAway = false;
    });
    return new QueueConnection(address, redis);
  }

  /** Whether the server does not answer just now. */
  get isAway(): boolean {
    return this.redis.status !== 'ready';
  }

  /** Makes a sweep known to workers. */
  async openSweep(document: SweepDocument): Promise<void> {
    await this.redis.hset(SWEEPS_KEY, document.id, JSON.stringify(document));
  }

  async closeSweep(id: string): Promise<void> {
    await this.redis.hdel(SWEEPS_KEY, id);
  }

  /** The sweeps that have runs to be performed, by id. */
  async openSweeps(): Promise<ReadonlyMap<string, SweepDocument>> {
    const found = await this.redis.hgetall(SWEEPS_KEY);
    return new Map(Object.entries(found).map(([id, text]) => [id, JSON.parse(text) as SweepDocument]));
  }

  /**
   * Becomes the one that collects the results of a sweep.
   * @returns what gives that up
   * @throws QUEUE_SWEEP_ATTACHED while another process does
   */
  async attach(id: string): Promise<() => Promise<void>> {
    const key = `${QUEUE_PREFIX}:${id}:owner`;
    const own = JSON.stringify({ pid: process.pid, host: hostname() });
    const untilMs = Date.now() + OWNER_MS + RENEW_MS;
    while ((await this.redis.set(key, own, 'PX', OWNER_MS, 'NX')) === null) {
      const owner = JSON.parse((await this.redis.get(key)) ?? own) as { readonly pid: number; readonly host: string };
      if (owner.host === hostname() && !isAlive(owner.pid)) await this.redis.del(key);
      else if (owner.host === hostname() || Date.now() > untilMs) throw queueSweepAttached(id, owner.pid, owner.host);
      else await new Promise(resolve => setTimeout(resolve, RENEW_MS / 5));
    }
    const timer = setInterval(() => void this.redis.set(key, own, 'PX', OWNER_MS), RENEW_MS);
    return async () => {
      clearInterval(timer);
      // A server that is away forgets by itself.
      if (!this.isAway) await this.redis.del(key);
    };
  }

  async close(): Promise<void> {
    if (!this.isAway) await this.redis.quit();
    else this.redis.disconnect();
  }
}

async function tryOnce(redis: Redis, name: string): Promise<void> {
  // What goes wrong while connecting is told by this event; what the call rejects with says less.
  let reason: Error | undefined;
  redis.on('error', (error: Error) => (reason ??= error));
  try {
    await redis.connect();
    await redis.ping();
  } catch (error) {
    throw queueError(reason ?? error, name);
  } finally {
    redis.disconnect();
  }
}

/** What a server's error means. */
export function queueError(error: unknown, name: string): Error {
  const problem = withoutCredentials(problemOf(error));
  if (REFUSED_PASSWORD.test(problem)) return queueAuth(name, problem);
  return UNREACHABLE.test(problem) ? queueUnreachable(name, problem) : queueFailed(name, problem);
}
