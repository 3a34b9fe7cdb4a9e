/**
 * Accesses out of the blue, handed to a backend many at a time: one that takes batches fetches what several need together. Hot path: `add`.
 */
import type { AccessBatch, AccessKind, MmuBackend } from '@mmulab/api';

/** Accesses in a batch. */
const SIZE = 1024;

/** Gathers accesses; whoever is done with them, or is to do something else, flushes. */
export class BatchedAccesses implements AccessBatch {
  count = 0;
  readonly vcpus = new Int32Array(SIZE);
  readonly vfns = new Float64Array(SIZE);
  readonly kinds = new Uint8Array(SIZE);

  constructor(private readonly backend: MmuBackend) {}

  /** One more access, after those before it. */
  add(vcpu: number, vfn: number, kind: AccessKind): void {
    const at = this.count++;
    this.vcpus[at] = vcpu;
    this.vfns[at] = vfn;
    this.kinds[at] = kind;
    if (at === SIZE - 1) this.flush();
  }

  /** Has the backend perform them. None is left, even where one of them fails. */
  flush(): void {
    try {
      if (this.backend.touchAll === undefined) this.touchEach();
      else this.backend.touchAll(this);
    } finally {
      this.count = 0;
    }
  }

  private touchEach(): void {
    for (let i = 0; i < this.count; i++) this.backend.touch(this.vcpus[i] ?? 0, this.vfns[i] ?? 0, this.kinds[i] as AccessKind);
  }
}
