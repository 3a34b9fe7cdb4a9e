/**
 * A vCPU's way to the chosen page: through the guest's own tables, and through the second stage or the shadow pages; and an entry of it, taken apart bit by bit.
 */
import { EntryKind, type WalkedEntry } from '@mmulab/api';
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { decode, type DescriptorFormat } from '../decode/field';
import { guestFormat, hostFormat } from '../decode/formats';
import type { Session, Side } from '../lab/session';
import { hex, levelName } from './numbers';

const KINDS: Readonly<Record<EntryKind, string>> = { 0: 'not present', 1: 'leaf', 2: 'table', 3: 'not present, KVM’s own mark' };

/** One walk with its heading and format. */
interface Part {
  readonly title: string;
  readonly entries: readonly WalkedEntry[];
  readonly format: DescriptorFormat | undefined;
}

export function WalkView({ session, side, label }: { readonly session: Session; readonly side: Side; readonly label: string }): JSX.Element {
  const [chosen, choose] = useState<readonly [number, number] | undefined>(undefined);
  const parts = partsOf(session, side);
  const [part, index] = chosen ?? [parts.length - 1, (parts.at(-1)?.entries.length ?? 0) - 1];
  const entry = parts[part]?.entries[Math.min(index, (parts[part]?.entries.length ?? 1) - 1)];
  return (
    <div class="walk">
      {parts.map(({ title, entries }, i) => (
        <div key={title}>
          <h3>{title}</h3>
          {entries.length === 0 ? <p class="faint">There is nothing to walk: no root, or no mapping.</p> : null}
          <ol>
            {entries.map((one, j) => (
              <li key={j}>
                <button type="button" class="entry" aria-pressed={one === entry} onClick={() => choose([i, j])}>
                  <span>
                    {levelName(one.level, side.lab.definition.arch)}, entry {one.index}
                  </span>
                  <span>{KINDS[one.kind]}</span>
                  <code>{one.word.padStart(16, '0')}</code>
                </button>
                <span class="faint">
                  {one.table.name}
                  {one.table.role === '' ? '' : ` (${one.table.role})`}
                </span>
              </li>
            ))}
          </ol>
        </div>
      ))}
      {entry === undefined ? null : <Decoded entry={entry} format={parts[part]?.format} label={label} />}
    </div>
  );
}

function partsOf(session: Session, { lab }: Side): readonly Part[] {
  const walk = session.walk({ lab } as Side);
  const { inspection, definition } = lab;
  const parts: Part[] = [];
  const ofGuest = guestFormat(definition.arch);
  if (walk.guest !== undefined) parts.push({ title: 'Through the guest’s tables', entries: walk.guest.steps, format: ofGuest });
  if (walk.nested !== undefined) parts.push({ title: 'Through L1’s own second-stage tables', entries: walk.nested.steps, format: ofGuest });
  const format = inspection === undefined ? undefined : hostFormat(inspection.format);
  const entries = inspection === undefined || walk.frame === undefined ? [] : inspection.walk(session.vcpu, walk.frame);
  const title = inspection?.walksVirtual === true ? 'Through the shadow pages' : 'Through the second stage';
  return [...parts, { title: `${title}${walk.frame === undefined ? '' : ` to frame ${hex(walk.frame)}`}`, entries, format }];
}

function Decoded({
  entry,
  format,
  label,
}: {
  readonly entry: WalkedEntry;
  readonly format: DescriptorFormat | undefined;
  readonly label: string;
}): JSX.Element | null {
  if (format === undefined) return null;
  if (entry.kind === EntryKind.Empty || entry.kind === EntryKind.Special) return <p>{format.absent}</p>;
  const fields = decode(entry.word, entry.level, entry.kind === EntryKind.Leaf ? format.leaf : format.table);
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={`Bits of the entry, ${label}`}>
      <table>
        <caption>
          {format.name} <code>0x{entry.word.padStart(16, '0')}</code> ({format.manual})
        </caption>
        <thead>
          <tr>
            <th scope="col">Bits</th>
            <th scope="col">Name</th>
            <th scope="col">Value</th>
            <th scope="col">Says</th>
          </tr>
        </thead>
        <tbody>
          {fields.map(({ bits, name, value, says, software }) => (
            <tr key={bits} class={software ? 'software' : ''}>
              <td>{bits}</td>
              <td class="wrap">{name}</td>
              <td>
                <code>{value}</code>
              </td>
              <td class="wrap">{says}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
