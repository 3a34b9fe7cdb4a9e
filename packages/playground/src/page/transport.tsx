/**
 * Going through a run: forward, back, playing, jumping to the next event of a kind, to a phase, or along the slider.
 */
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Session } from '../lab/session';
import { STEP_CLASSES, type StepClass } from '../lab/step-classes';
import { useSession } from './hooks';
import { count } from './numbers';

const FRAME_MS = 1000 / 60;
const SPEEDS = [1, 10, 60, 600] as const;

export function Transport({ session }: { readonly session: Session }): JSX.Element {
  useSession(session);
  const [speed, setSpeed] = useState<number>(60);
  const [jump, setJump] = useState<StepClass>('fault');
  const [isPlaying, setPlaying] = usePlaying(session, speed);
  const { step, lockstep } = session;
  const [missed, setMissed] = useState<StepClass>();
  const seek = (to: number): void => {
    setPlaying(false);
    session.seek(to);
  };
  const seekNext = (): void => {
    setPlaying(false);
    setMissed(session.seekClass(jump) ? undefined : jump);
  };
  return (
    <section class="transport" aria-label="Going through the run">
      <div class="controls">
        <button type="button" onClick={() => seek(0)} aria-label="To the beginning" title="To the beginning">
          |◀
        </button>
        <button type="button" onClick={() => seek(session.step - 1)} disabled={step === 0}>
          ◀ Back
        </button>
        <button type="button" onClick={() => seek(session.step + 1)} disabled={session.isOver}>
          Step ▶
        </button>
        <button type="button" onClick={() => setPlaying(!isPlaying)} disabled={session.isOver && !isPlaying}>
          {isPlaying ? '‖ Pause' : '▶▶ Play'}
        </button>
        <label>
          at{' '}
          <select value={String(speed)} onChange={event => setSpeed(Number(event.currentTarget.value))}>
            {SPEEDS.map(value => (
              <option value={String(value)} key={value}>
                {value} steps/s
              </option>
            ))}
          </select>
        </label>
        <button type="button" onClick={() => seek(lockstep.steps)} aria-label="To the end" title="To the end">
          ▶|
        </button>
        <span class="group">
          <label>
            <span class="sr-only">Kind of step to jump to</span>
            <select value={jump} onChange={event => setJump(event.currentTarget.value as StepClass)}>
              {STEP_CLASSES.map(value => (
                <option value={value} key={value}>
                  next {value}
                </option>
              ))}
            </select>
          </label>
          <button type="button" onClick={seekNext} disabled={session.isOver}>
            Jump
          </button>
        </span>
        <span role="status" class="faint">
          {missed !== undefined && session.isOver && `No ${missed} was left: this is the end.`}
        </span>
        <label>
          Phase{' '}
          <select
            value={String(step === 0 ? 0 : lockstep.phaseAt(step))}
            onChange={event => seek(lockstep.phases[Number(event.currentTarget.value)]?.from ?? 0)}
          >
            {lockstep.phases.slice(0, 500).map(({ name, from }, i) => (
              <option value={String(i)} key={i}>
                {name === '' ? 'all' : name} (after {count(from)})
              </option>
            ))}
          </select>
        </label>
      </div>
      <label class="slider">
        <span class="sr-only">Step</span>
        <input
          type="range"
          min={0}
          max={lockstep.steps}
          value={step}
          onChange={event => seek(Number(event.currentTarget.value))}
          aria-valuetext={`step ${step} of ${lockstep.steps}`}
        />
        <span class="position">
          {count(step)} of {count(lockstep.steps)} steps
        </span>
      </label>
    </section>
  );
}

/** Plays a session: as many steps per frame as the speed asks for. */
function usePlaying(session: Session, speed: number): [boolean, (on: boolean) => void] {
  const [isPlaying, setPlaying] = useState(false);
  const owed = useRef(0);
  useEffect(() => {
    if (!isPlaying) return undefined;
    let last = performance.now();
    let frame = 0;
    const play = (now: number): void => {
      owed.current += ((now - last) / 1000) * speed;
      last = now;
      const steps = Math.min(Math.floor(owed.current), Math.ceil((speed * FRAME_MS * 4) / 1000) + 1);
      if (steps > 0) {
        owed.current = Math.min(owed.current - steps, speed);
        session.seek(session.step + steps);
      }
      if (session.isOver) setPlaying(false);
      else frame = requestAnimationFrame(play);
    };
    frame = requestAnimationFrame(play);
    return () => cancelAnimationFrame(frame);
  }, [isPlaying, speed, session]);
  return [isPlaying, setPlaying];
}
