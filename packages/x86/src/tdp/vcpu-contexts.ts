/**
 * What each vCPU walks now: its root, its guest's page tables, and which pages of them need no touch.
 *
 * A context is found once and holds until roots, registers or paging modes change; then all are found again on demand. The pages seen belong to
 * one root and address space at a time. Hot path.
 */
import { badPagingMode } from '../errors';
import { SeenTables } from '@mmulab/kvm';
import type { GuestLayout } from '@mmulab/kvm';
import type { Version } from '@mmulab/pgtable';
import type { GuestCpu } from '../roots/guest-state';
import { INVALID_ROOT } from '../roots/root-cache';
import type { VcpuRoots } from '../roots/vcpu-roots';
import type { TdpRoot } from './tdp-mmu';
import type { TdpRoots } from './tdp-roots';

/** What a vCPU walks: its root, and its guest's tables (undefined while its paging mode does not fit them). */
export class VcpuContext {
  epoch = 0;
  /** Root and address space as one number. */
  key = -1;
  root: TdpRoot | undefined = undefined;
  layout: GuestLayout | undefined = undefined;
  seen: SeenTables | undefined = undefined;
  /** The 2 MiB block of guest addresses touched last, if none of its table pages needed a touch in epoch `blockEpoch`; else -1. */
  block = -1;
  blockEpoch = 0;
  /** From its guest virtual to its guest frames. */
  shift = 0;
}

/** Contexts of all vCPUs of a VM. */
export class VcpuContexts {
  private readonly contexts: readonly VcpuContext[];
  /** Counts up whenever an access may need what it did not (MmuBackend.losses): table pages touched, another context. */
  losses = 0;
  private epoch = 1;
  /** Root and address space that `tableSeen` speaks of. */
  private seenKey = -1;
  /** Per address space: the guest table pages that need no touch. Forgotten whenever a mapping of one may have gone or lost rights. */
  private readonly tableSeen: readonly SeenTables[];

  /**
   * @param layouts one per address space, then one for a guest without paging
   * @param version counted up whenever what a context says may have changed
   */
  constructor(
    private readonly layouts: readonly GuestLayout[],
    private readonly cpus: readonly GuestCpu[],
    private readonly roots: VcpuRoots,
    private readonly tdpRoots: TdpRoots,
    private readonly version: Version,
  ) {
    this.contexts = cpus.map(() => new VcpuContext());
    this.tableSeen = layouts.map(layout => new SeenTables(layout));
  }

  get(vcpu: number): VcpuContext {
    const context = this.contexts[vcpu];
    if (context.epoch !== this.epoch) this.resolve(vcpu, context);
    return context;
  }

  root(vcpu: number): TdpRoot {
    return this.get(vcpu).root as TdpRoot;
  }

  seen(vcpu: number): SeenTables {
    return this.get(vcpu).seen as SeenTables;
  }

  /** The page tables a vCPU walks now. */
  layout(vcpu: number): GuestLayout {
    const { layout } = this.get(vcpu);
    if (layout === undefined) throw this.wrongMode(vcpu);
    return layout;
  }

  /** The guest's paging mode does not fit its tables. */
  wrongMode(vcpu: number): Error {
    const { space } = this.layouts[this.space(vcpu)];
    return badPagingMode(space.name, space.levels, this.cpus[vcpu].levels);
  }

  /** A vCPU acts: pages seen under another root or address space say nothing to it. */
  act(vcpu: number): void {
    const { key } = this.get(vcpu);
    if (key !== this.seenKey) {
      this.seenKey = key;
      this.forgetTables();
    }
  }

  /** Whether the pages seen are those of a vCPU's root and address space. */
  isSeenBy(vcpu: number): boolean {
    return this.get(vcpu).key === this.seenKey;
  }

  /** Registers have changed: contexts are found again. */
  registersChanged(): void {
    this.losses++;
    this.epoch++;
    this.version.bump();
  }

  /** Roots have changed, or what they map. */
  rootsChanged(): void {
    this.epoch++;
    this.forgetTables();
  }

  /** A mapping of a guest table page may have gone. */
  forgetTables(): void {
    this.losses++;
    this.version.bump();
    for (const seen of this.tableSeen) seen.forget();
  }

  /** Number of the address space a vCPU is in: the last one without paging. */
  private space(vcpu: number): number {
    const cpu = this.cpus[vcpu];
    return cpu.paging ? cpu.space : this.layouts.length - 1;
  }

  private resolve(vcpu: number, context: VcpuContext): void {
    const space = this.space(vcpu);
    const layout = this.layouts[space];
    const root = this.roots.cache(vcpu, 'main').current;
    context.epoch = this.epoch;
    context.block = -1;
    context.key = root * this.layouts.length + space;
    context.root = root === INVALID_ROOT ? undefined : this.tdpRoots.get(root);
    context.seen = this.tableSeen[space];
    context.layout = layout.space.levels === this.cpus[vcpu].levels ? layout : undefined;
  }
}
