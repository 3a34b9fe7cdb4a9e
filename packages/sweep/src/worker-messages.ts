/**
 * What a worker process and the process that started it say to each other. Data only, one message per line of the channel.
 */
import type { Measured } from './kept-result';
import type { RunOrder } from './run-executor';

/** What a worker is told. */
export type WorkerOrder =
  { readonly kind: 'open'; readonly plugins: readonly string[]; readonly from: string } | ({ readonly kind: 'run'; readonly id: number } & RunOrder);

/** What it answers. */
export type WorkerAnswer =
  | { readonly kind: 'ready' }
  | { readonly kind: 'broken'; readonly problem: string }
  | { readonly kind: 'done'; readonly id: number; readonly text: string; readonly measured: Measured }
  | { readonly kind: 'failed'; readonly id: number; readonly code: string; readonly message: string };
