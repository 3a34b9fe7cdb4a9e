/**
 * The tables that are there, level by level, those that came or went in the last step marked; and, on x86, the roots a vCPU holds with their roles.
 */
import type { JSX } from 'preact';
import type { Session, Side } from '../lab/session';
import { count, hex } from './numbers';

/** Tables of a level that are drawn. */
const DRAWN = 128;

/** A table as it is drawn. */
interface DrawnTable {
  readonly key: string;
  readonly level: number;
  readonly title: string;
  readonly isNew: boolean;
}

export function TablesView({ session, side }: { readonly session: Session; readonly side: Side }): JSX.Element {
  const { lab } = side;
  const tables = drawnTables(side);
  const levels = [...new Set(tables.map(table => table.level))].sort((a, b) => b - a);
  const { vanished } = lab.changes;
  return (
    <div class="tables">
      {lab.byAccess || lab.inspection?.tables !== undefined ? (
        levels.map(level => <LevelRow key={level} level={level} tables={tables.filter(table => table.level === level)} />)
      ) : (
        <p class="faint">
          The run is gone through program by program: its tables are counted ({count(lab.backend.memory().tableBytesReal)} bytes), not listed.
        </p>
      )}
      {vanished.length === 0 ? null : (
        <p class="gone">
          Gone in this step: {count(vanished.length)} {vanished.length === 1 ? 'table' : 'tables'} (
          {vanished
            .slice(0, 4)
            .map(({ level, gfn }) => `level ${level} from ${hex(gfn)}`)
            .join(', ')}
          {vanished.length > 4 ? ', …' : ''}).
        </p>
      )}
      <Roots session={session} side={side} />
    </div>
  );
}

function drawnTables({ lab }: Side): readonly DrawnTable[] {
  const listed = lab.inspection?.tables?.(4 * DRAWN);
  if (listed !== undefined) {
    return listed.map(({ name, role, level, gfn, shadows, rootCount }) => ({
      key: name,
      level,
      title: `${name}: ${shadows ? `shadows the guest's table in frame ${hex(gfn)}` : `maps from ${hex(gfn)}`}; ${role}${rootCount > 0 ? `; a root ${rootCount}x` : ''}`,
      isNew: false,
    }));
  }
  const fresh = new Set(lab.changes.appeared.map(({ level, gfn }) => `${level}:${gfn}`));
  return lab.changes.tables().map(({ level, gfn }) => {
    const key = `${level}:${gfn}`;
    return { key, level, title: `level ${level}, maps from ${hex(gfn)}`, isNew: fresh.has(key) };
  });
}

function LevelRow({ level, tables }: { readonly level: number; readonly tables: readonly DrawnTable[] }): JSX.Element {
  const fresh = tables.filter(table => table.isNew).length;
  return (
    <div class="level-row">
      <p>
        Level {level}: {count(tables.length)} {tables.length === 1 ? 'table' : 'tables'}
        {fresh === 0 ? '' : `, ${fresh} new`}
      </p>
      <div class="boxes" aria-hidden="true">
        {tables.slice(0, DRAWN).map(({ key, title, isNew }) => (
          <span key={key} class={isNew ? 'box new' : 'box'} title={title} />
        ))}
        {tables.length > DRAWN ? '…' : ''}
      </div>
    </div>
  );
}

function Roots({ session, side }: { readonly session: Session; readonly side: Side }): JSX.Element | null {
  const roots = side.lab.inspection?.roots(session.vcpu) ?? [];
  if (roots.length === 0) return null;
  return (
    <div>
      <h3>Roots of vCPU {session.vcpu}</h3>
      <ul class="roots">
        {roots.map(({ holder, name, role, pgd }) => (
          <li key={holder}>
            <strong>{holder}</strong>: {name}, PGD {hex(pgd)} <span class="faint">{role}</span>
          </li>
        ))}
      </ul>
    </div>
  );
}
