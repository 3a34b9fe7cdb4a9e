/**
 * Loaded into the measured command (`node --require`): when it ends, it writes down what its process has cost, threads included.
 */
import { writeSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

/** Where the cost goes: a pipe to whoever measures. */
const COST_FD = 3;

process.on('exit', () => {
  if (!isMainThread) return;
  const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
  writeSync(COST_FD, JSON.stringify({ cpuSeconds: (userCPUTime + systemCPUTime) / 1e6, rssMegabytes: (maxRSS * 1024) / 1e6 }));
});
