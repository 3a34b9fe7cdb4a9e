/**
 * `record`: a shell script that counts on the user's own host, for root, with nothing but tracefs and debugfs.
 *
 * The script runs a test (or looks at a VM that runs) with KVM's events switched on, and writes a directory: `facts` of host and kernel, `events` that could be switched on, the `trace`, `counters` of
 * events by phase, KVM's statistics before and after. Everything it changes it notes first and changes back at its end, however it ends. Written for POSIX sh: busybox's and dash's are enough.
 */

/** Events of KVM by group; those a kernel lacks are left out by the script. */
const EVENTS: readonly string[] = [
  'kvm/kvm_page_fault',
  'kvm/kvm_exit',
  'kvm/kvm_cr',
  'kvm/kvm_guest_fault',
  'kvm/kvm_unmap_hva_range',
  'kvm/kvm_age_hva',
  'kvm/kvm_test_age_hva',
  'kvm/kvm_set_spte_hva',
  'kvm/kvm_toggle_cache',
  'kvm/kvm_set_way_flush',
  'kvmmmu/kvm_tdp_mmu_spte_changed',
  'kvmmmu/kvm_mmu_get_page',
  'kvmmmu/kvm_mmu_prepare_zap_page',
  'kvmmmu/kvm_mmu_set_spte',
  'kvmmmu/kvm_mmu_split_huge_page',
  'kvmmmu/kvm_mmu_sync_page',
  'kvmmmu/kvm_mmu_pagetable_walk',
  'kvmmmu/fast_page_fault',
  'kvmmmu/handle_mmio_page_fault',
  'kvmmmu/mark_mmio_spte',
  'syscalls/sys_enter_ioctl',
  'syscalls/sys_exit_ioctl',
];

/** Functions without an event of their own. */
const PROBES: readonly string[] = ['kvm_flush_remote_tlbs', 'mark_page_dirty_in_slot'];

/** A word as the shell reads it back unchanged. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replace(/'/g, `'\\''`)}'`;
}

/** What the script is. */
const HEADER = `#!/bin/sh
# Counts what KVM's MMU does on this host, for mmulab. Run it as root:
#   sh record.sh [-o DIR] [-- TEST ARGUMENTS...]   runs a test
#   sh record.sh [-o DIR] -p PID [-t SECONDS]      looks at a VM that runs
# It changes settings of tracefs only, and changes them back when it ends or is interrupted.
# Then: mmulab record --read DIR > my-host.json && mmulab verify my-host.json
set -u

`;

/** Its options; `command` is what runs where none is named. */
function options(command: readonly string[]): string {
  return `ROOT="\${MMULAB_ROOT:-}"
DIR=mmulab-record
PID=
SECONDS_TO_WAIT=10
while [ $# -gt 0 ]; do
  case "$1" in
    -o) DIR="$2"; shift 2 ;;
    -p) PID="$2"; shift 2 ;;
    -t) SECONDS_TO_WAIT="$2"; shift 2 ;;
    --) shift; break ;;
    -h|--help) sed -n '2,7s/^# \\{0,1\\}//p' "$0"; exit 0 ;;
    *) echo "record.sh: $1: not an option (-o DIR, -p PID, -t SECONDS, -- TEST)" >&2; exit 2 ;;
  esac
done
if [ $# -eq 0 ] && [ -z "$PID" ]; then set -- ${command.map(quoted).join(' ')}; fi
if [ $# -eq 0 ] && [ -z "$PID" ]; then echo 'record.sh: nothing to run: give -- TEST ARGUMENTS, or -p PID' >&2; exit 2; fi
if [ -z "$ROOT" ] && [ "$(id -u)" != 0 ]; then echo 'record.sh: root is needed to switch events on' >&2; exit 2; fi
if [ -n "$PID" ] && [ ! -d "$ROOT/proc/$PID" ]; then echo "record.sh: $PID: no such process" >&2; exit 2; fi

`;
}

/** Where tracefs is, and the directory that is written. */
const PLACE = `TRACEFS=
for place in /sys/kernel/tracing /sys/kernel/debug/tracing; do
  if [ -d "$ROOT$place/events" ]; then TRACEFS="$ROOT$place"; break; fi
done
if [ -z "$TRACEFS" ]; then echo 'record.sh: no tracefs (mount -t tracefs tracefs /sys/kernel/tracing)' >&2; exit 2; fi
# An instance of our own leaves the user's buffer alone; where there are none, settings are put back one by one.
TOP="$TRACEFS"
INSTANCE="$TRACEFS/instances/mmulab.$$"
if mkdir "$INSTANCE" 2>/dev/null; then
  if [ -d "$INSTANCE/events" ]; then TRACEFS="$INSTANCE"; else rmdir "$INSTANCE"; INSTANCE=; fi
else
  INSTANCE=
fi
if [ -e "$DIR/facts" ]; then
  [ -n "$INSTANCE" ] && rmdir "$INSTANCE"
  echo "record.sh: $DIR: there is a recording already" >&2
  exit 2
fi
mkdir -p "$DIR" || exit 2
SAVED="$DIR/.saved"
: > "$SAVED" || exit 2
READER=
RUNNING=

`;

/** Changing settings, and changing them back. */
const SETTINGS = `# Notes a setting and changes it: put FILE VALUE.
put() {
  [ -e "$1" ] || return 1
  before=$(sed -n 1p "$1" 2>/dev/null)
  printf '%s\\n' "$2" > "$1" 2>/dev/null || return 1
  printf '%s\\t%s\\n' "$1" "$before" >> "$SAVED"
}

# Changes everything back, the last change first.
restore() {
  trap '' INT TERM HUP
  [ -n "$RUNNING" ] && kill "$RUNNING" 2>/dev/null
  [ -f "$SAVED" ] || return
  printf '0\\n' > "$TRACEFS/tracing_on" 2>/dev/null
  if [ -n "$READER" ]; then
    sleep 1
    kill "$READER" 2>/dev/null
    wait "$READER" 2>/dev/null
  fi
  sed -n '1!G;h;$p' "$SAVED" | while IFS='	' read -r file value; do
    case "$file" in
      probe) printf '%s\\n' "-:mmulab/$value" >> "$TOP/kprobe_events" 2>/dev/null ;;
      */filter) [ "$value" = none ] && value=0; printf '%s\\n' "$value" > "$file" 2>/dev/null ;;
      */buffer_size_kb) printf '%s\\n' "\${value%% *}" > "$file" 2>/dev/null ;;
      *) printf '%s\\n' "$value" > "$file" 2>/dev/null ;;
    esac
  done
  rm -f "$SAVED"
  [ -n "$INSTANCE" ] && rmdir "$INSTANCE" 2>/dev/null
  INSTANCE=
}
trap restore EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

`;

/** What is noted of host and kernel. */
const FACTS = `# Facts: key=value, one a line; what this host lacks is left out.
fact() { [ -r "$2" ] && printf '%s=%s\\n' "$1" "$(sed -n 1p "$2")" >> "$DIR/facts"; }
cpu() { sed -n "s/^$1[[:space:]]*:[[:space:]]*//p" "$ROOT/proc/cpuinfo" 2>/dev/null | sed -n 1p; }
{
  echo "format=mmulab.recording.v1"
  echo "command=$*"
  echo "pid=$PID"
} > "$DIR/facts"
fact release "$ROOT/proc/sys/kernel/osrelease"
fact version "$ROOT/proc/sys/kernel/version"
fact signature "$ROOT/proc/version_signature"
fact arch "$ROOT/proc/sys/kernel/arch"
[ -n "$ROOT" ] || echo "machine=$(uname -m)" >> "$DIR/facts"
for key in vendor_id 'model name' flags 'CPU implementer' 'CPU part'; do
  value=$(cpu "$key")
  [ -n "$value" ] && printf 'cpu.%s=%s\\n' "$key" "$value" >> "$DIR/facts"
done
for module in kvm kvm_intel kvm_amd; do
  for file in "$ROOT/sys/module/$module/parameters"/*; do
    [ -r "$file" ] && fact "$module.\${file##*/}" "$file"
  done
done
fact thp "$ROOT/sys/kernel/mm/transparent_hugepage/enabled"
sed -n 's/^KernelPageSize:[[:space:]]*/pagesize=/p' "$ROOT/proc/self/smaps" 2>/dev/null | sed -n 1p >> "$DIR/facts"

# KVM's statistics, as far as the kernel has them.
stats() {
  for file in "$ROOT/sys/kernel/debug/kvm"/*; do
    [ -f "$file" ] && printf '%s=%s\\n' "\${file##*/}" "$(sed -n 1p "$file" 2>/dev/null)"
  done > "$DIR/stats.$1"
}

`;

/** Switching events on. */
const SWITCH_ON = `put "$TRACEFS/tracing_on" 0
put "$TRACEFS/current_tracer" nop
[ -n "$INSTANCE" ] || printf '' > "$TRACEFS/trace" 2>/dev/null
put "$TRACEFS/buffer_size_kb" 32768
: > "$DIR/events"
for event in ${EVENTS.join(' ')}; do
  if put "$TRACEFS/events/$event/enable" 1; then echo "$event" >> "$DIR/events"; fi
done
for function in ${PROBES.join(' ')}; do
  [ -e "$TOP/kprobe_events" ] || continue
  grep -q "[[:space:]]$function\\([[:space:]]\\|\\$\\)" "$ROOT/proc/kallsyms" 2>/dev/null || continue
  printf '%s\\n' "p:mmulab/$function $function" >> "$TOP/kprobe_events" 2>/dev/null || continue
  printf 'probe\\t%s\\n' "$function" >> "$SAVED"
  if put "$TRACEFS/events/mmulab/$function/enable" 1; then echo "mmulab/$function" >> "$DIR/events"; fi
done
# Of system calls only those of the test are wanted; those of KVM begin with 0xae.
for event in sys_enter_ioctl; do put "$TRACEFS/events/syscalls/$event/filter" '(cmd & 0xff00) == 0xae00'; done

`;

/** The run itself. */
const RUN = `stats begin
cat "$TRACEFS/trace_pipe" > "$DIR/trace" 2>/dev/null &
READER=$!
put "$TRACEFS/tracing_on" 1
STATUS=0
if [ -n "$PID" ]; then
  waited=0
  while [ "$waited" -lt "$SECONDS_TO_WAIT" ] && [ -d "$ROOT/proc/$PID" ]; do sleep 1; waited=$((waited + 1)); done
else
  "$@" > "$DIR/output" 2>&1 &
  RUNNING=$!
  wait "$RUNNING"
  STATUS=$?
  RUNNING=
fi
stats end
echo "status=$STATUS" >> "$DIR/facts"
for file in "$TRACEFS"/per_cpu/cpu*/stats; do
  [ -r "$file" ] && sed -n 's/^overrun:[[:space:]]*/overrun=/p' "$file"
done > "$DIR/overrun"
restore
`;

/** Counting afterwards. */
const COUNT = `# How often each event came in each stretch between the ioctls that part phases.
awk '
  /sys_ioctl\\(|sys_enter_ioctl:/ { if (match($0, /cmd: (0x)?[0-9a-f]+/)) { cmd = substr($0, RSTART + 5, RLENGTH - 5); sub(/^0x0*/, "", cmd)
      if (cmd != "ae80") part = part + 1 } next }
  /^#/ { next }
  { for (i = 1; i <= NF; i++) if ($i ~ /^[0-9]+\\.[0-9]+:$/) { name = $(i + 1); sub(/:$/, "", name); count[part + 0 " " name]++; break } }
  END { for (key in count) print key, count[key] }
' "$DIR/trace" | sort -k1,1n -k2,2 > "$DIR/counters"
echo "record.sh: wrote $DIR (mmulab record --read $DIR makes a record of it)"
[ "$STATUS" -eq 0 ] || echo "record.sh: the test ended with $STATUS; its output is in $DIR/output" >&2
exit "$STATUS"
`;

/**
 * The script.
 * @param command the test with its arguments; empty: the user names it, or a VM's process, when running the script
 */
export function recordScript(command: readonly string[]): string {
  return [HEADER, options(command), PLACE, SETTINGS, FACTS, SWITCH_ON, RUN, COUNT].join('');
}
