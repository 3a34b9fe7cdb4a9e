import { TraceParser } from './trace-parser';
import { Kind, TraceEvent } from './trace-event';

/** Events of a text, copied, and the parser. */
function parse(text: string, pieceBytes = 1 << 20): { readonly events: readonly TraceEvent[]; readonly parser: TraceParser } {
  const events: TraceEvent[] = [];
  const parser = new TraceParser(event => events.push(Object.assign(new TraceEvent(), event)));
  const bytes = Buffer.from(text, 'latin1');
  for (let at = 0; at < bytes.length; at += pieceBytes) parser.feed(bytes.subarray(at, at + pieceBytes));
  parser.end();
  return { events, parser };
}

const CHANGED = 'kvm_tdp_mmu_spte_changed: as id 0 gfn fcffa00 level 2 old_spte 0 new_spte 8000000009a00ee7';

describe('the same event in the words of three tools', () => {
  const lines: readonly (readonly [string, string])[] = [
    ['ftrace 6.x', ` dirty_log_perf_-338     [000] ...1.    14.121340: ${CHANGED}`],
    ['ftrace 5.10', `           gt_cr-338     [003] d..1    14.121340: ${CHANGED}`],
    ['ftrace with thread groups', `   CPU 0/KVM-338   (   1200) [001] .....    14.121340: ${CHANGED}`],
    ['trace-cmd report', `         gt_exec-338   [001]    14.121340: ${CHANGED.replace('changed:', 'changed: ')}`],
    ['trace-cmd report with flags', `         gt_exec-338   [001] d..1.   14.121340: ${CHANGED}`],
    ['perf script', `CPU 0/KVM   338 [002]    14.121340: kvmmmu:${CHANGED}`],
    ['perf script with pid/tid', `qemu-system-x86 1200/338 [002]    14.121340123: kvmmmu:${CHANGED}`],
    ['a task with brackets in its name', `     [kvm] a-b-338     [000] .....    14.121340: ${CHANGED}`],
  ];
  for (const [tool, line] of lines) {
    it(`${tool}: task 338, gfn 0xfcffa00, level 2, NX`, () => {
      const { events, parser } = parse(`${line}\n`);
      expect(parser.counts.unreadable).toBe(0);
      expect(events).toHaveLength(1);
      expect(events[0]).toMatchObject({
        kind: Kind.SpteChanged,
        tid: 338,
        gfn: 0xfcffa00,
        level: 2,
        oldLo: 0,
        newLo: 0x09a00ee7,
        newHi: 0x80000000 | 0,
      });
      expect(Math.floor((events[0]?.timeNs ?? 0) / 1000)).toBe(14121340);
    });
  }
});

describe('layouts of kernels and of the trace-cmd plugin', () => {
  const of = (text: string): TraceEvent | undefined => parse(`  t-1     [000] .....     1.000000: ${text}\n`).events[0];
  it('kvm_page_fault of 5.10 has no vCPU, that of 6.1 has one', () => {
    expect(of('kvm_page_fault: address 180000 error_code 6')).toMatchObject({ vcpu: -1, gfn: 0x180, newLo: 6, newHi: 0 });
    expect(of('kvm_page_fault: vcpu 3 rip 0x407ae0 address 0x0000000000180000 error_code 0x200000006')).toMatchObject({
      vcpu: 3,
      newHi: 2,
      newLo: 6,
    });
  });
  it('kvm_exit names npf in the kernel and EXIT_NPF in the plugin', () => {
    expect(of('kvm_exit: vcpu 1 reason npf rip 0x401ee0 info1 0x0 info2 0x0')).toMatchObject({ vcpu: 1, value: 1 });
    expect(of('kvm_exit:             reason EXIT_NPF rip 0x402190 info 200000006 180000')).toMatchObject({ vcpu: -1, value: 1 });
    expect(of('kvm_exit: vcpu 0 reason EPT_VIOLATION rip 0x0 info1 0x0')).toMatchObject({ value: 6 });
  });
  it('kvm_mmu_get_page has "new" at its end, or at its beginning', () => {
    expect(of('kvm_mmu_get_page: sp gen 0 gfn fcc0000 l2 8-byte q0 direct wux nxe ad root 0 sync new')).toMatchObject({
      gfn: 0xfcc0000,
      level: 2,
      value: 1,
    });
    expect(of('kvm_mmu_get_page:     new sp gfn fcc0000 2 q0 direct wux !pae nxe wp root 0 sync')).toMatchObject({
      gfn: 0xfcc0000,
      level: 2,
      value: 1,
    });
    expect(of('kvm_mmu_get_page: sp gen 0 gfn fcc0000 l2 8-byte q0 direct wux nxe ad root 0 sync existing')).toMatchObject({ value: 0 });
  });
  it('a zapped page has no frame in the plugin', () => {
    expect(of('kvm_mmu_prepare_zap_page: 2 q0 direct wux !pae nxe wp root 0 sync')).toMatchObject({ gfn: -1, level: 2 });
  });
  it('probes go by the function they watch, whatever they are called', () => {
    const visit = '(stage2_map_walker+0x0/0x1ec) a=0xfffee00000 end=0xfffee01000 lv=2 pte=0x4000013240077d fl=1';
    expect(of(`wkm: ${visit}`)).toMatchObject({ kind: Kind.MapVisit, level: 2, value: 1, oldHi: 0x400001, oldLo: 0x3240077d });
    expect(of(`walker: ${visit}`)).toMatchObject({ kind: Kind.MapVisit });
    expect(of('r: (kvm_handle_guest_abort+0x534/0xd8c <- kvm_pgtable_stage2_map) r=-11')).toMatchObject({ kind: Kind.MapReturn, value: -11 });
    expect(of('r: (kvm_handle_guest_abort+0x534/0xd8c <- kvm_pgtable_stage2_map) r=0xfffffff5')).toMatchObject({ value: -11 });
  });
  it('system calls have no name of an event', () => {
    expect(of('sys_ioctl(fd: 4, cmd: ae80, arg: 0)')).toMatchObject({ kind: Kind.Ioctl, value: 0xae80 });
    expect(of('sys_ioctl -> 0x0')).toMatchObject({ kind: Kind.IoctlReturn, value: 0 });
    expect(of('syscalls:sys_enter_ioctl: fd: 0x00000004, cmd: 0x0000ae80, arg: 0x0')).toMatchObject({ kind: Kind.Ioctl, value: 0xae80 });
  });
});

describe('lines that are no use', () => {
  const line = (text: string, time = '1.000000'): string => `  t-1     [000] .....     ${time}: ${text}\n`;

  it('damaged fields are counted by event, with the first as an example', () => {
    const { events, parser } = parse(
      line('kvm_page_fault: address zz error_code 6') + line('kvm_page_fault: address 1000') + line(CHANGED.replace('level 2', 'level 9')),
    );
    expect(events).toHaveLength(0);
    expect(parser.events()).toMatchObject([
      { name: 'kvm_page_fault', lines: 2, damaged: 2, example: { line: 1 } },
      { name: 'kvm_tdp_mmu_spte_changed', damaged: 1 },
    ]);
  });

  it('other events are counted by name, text that is none is unreadable', () => {
    const { parser } = parse(`# comment\ncpus=2\n${line('sched_switch: a b')}nonsense\n\n`);
    expect(parser.counts).toMatchObject({ lines: 5, comments: 3, unreadable: 1, example: { line: 4, text: 'nonsense' } });
    expect(parser.events()).toMatchObject([{ name: 'sched_switch', kind: Kind.Other, lines: 1 }]);
  });

  it('lost events and times out of order are counted, with the first line', () => {
    const { parser } = parse(line(CHANGED, '2.000000') + line(CHANGED, '1.500000') + 'CPU:1 [LOST 37 EVENTS]\n' + line(CHANGED, '3.000000'));
    expect(parser.counts).toMatchObject({ outOfOrder: 1, firstOutOfOrder: 2, lost: 37, firstLost: 3, unreadable: 0 });
  });

  it('pieces may end anywhere, in the middle of a line too', () => {
    const text = `${line(CHANGED)}${line('kvm_page_fault: address 180000 error_code 6')}`.repeat(20);
    for (const pieceBytes of [1, 7, 64, 101]) expect(parse(text, pieceBytes).events).toHaveLength(40);
  });

  it('a line without end is one unreadable line', () => {
    const { parser } = parse(`${'x'.repeat(300_000)}\n${line(CHANGED)}`, 10_000);
    expect(parser.counts).toMatchObject({ lines: 2, unreadable: 1 });
  });
});
