/**
 * A sweep's queue, as the commands use it: connected to, collected from, left.
 */
import { QueueConnection, QueueExecutor, queueNoSweep, readQueueAddress, type RunExecutor, type SweepDocument } from '@mmulab/sweep';

/** What the user says of the queue. */
export interface QueueSettings {
  readonly queue?: string;
  readonly attach?: string;
  readonly ahead: number;
  readonly attempts: number;
}

/** Time after which it is worth saying that nobody works. */
const NO_WORKERS_MS = 5_000;
const BACKOFF_MS = 1_000;

type Note = (text: string) => void;

/** A queue that is connected to. */
export interface OpenQueue {
  readonly connection: QueueConnection;
  /** Collects the results of a sweep while `act` runs; when that says that all runs have ended, the sweep leaves the queue. */
  collecting(document: SweepDocument, settings: QueueSettings, note: Note, act: (executor: RunExecutor) => Promise<boolean>): Promise<void>;
  close(): Promise<void>;
}

/** Connects to a queue. Throws QUEUE_URL, QUEUE_UNREACHABLE, QUEUE_AUTH. */
export async function openQueue(url: string, note: Note): Promise<OpenQueue> {
  const connection = await QueueConnection.open(readQueueAddress(url), note);
  return {
    connection,
    collecting: (document, settings, say, act) => collect(connection, document, settings, say, act),
    close: () => connection.close(),
  };
}

/** What an open sweep is. Throws QUEUE_NO_SWEEP. */
export async function findOpenSweep({ connection }: OpenQueue, id: string): Promise<SweepDocument> {
  const sweeps = await connection.openSweeps();
  const found = sweeps.get(id);
  if (found === undefined) throw queueNoSweep(connection.address.name, id, [...sweeps.keys()]);
  return found;
}

async function collect(
  connection: QueueConnection,
  document: SweepDocument,
  { ahead, attempts }: QueueSettings,
  note: Note,
  act: (executor: RunExecutor) => Promise<boolean>,
): Promise<void> {
  const release = await connection.attach(document.id);
  await connection.openSweep(document);
  note(`sweep ${document.id} in ${connection.address.name}; leave it with Ctrl-C, go on with --attach ${document.id}`);
  const executor = new QueueExecutor(connection, document, { ahead, attempts, backoffMs: BACKOFF_MS });
  const timer = setTimeout(() => {
    void executor.workers().then(count => count === 0 && note(`no worker yet: mmulab worker --queue ${connection.address.name}`));
  }, NO_WORKERS_MS);
  try {
    if (await act(executor)) await connection.closeSweep(document.id).then(() => QueueExecutor.clear(connection, document.id));
  } finally {
    clearTimeout(timer);
    await executor.close();
    await release();
  }
}
