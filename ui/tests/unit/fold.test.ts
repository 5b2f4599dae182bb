/** The fold gives what the rules of the room give: the same vectors hold Rust's. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { RoomView, TopicChange } from '../../src/backend/backend';
import { fold, patched } from '../../src/backend/fold';

type Step = { now: number; changes: TopicChange[]; after: RoomView };
type Vectors = Record<string, { start: RoomView; steps: Step[] }>;
const path = join(import.meta.dirname, '../../../src-tauri/crates/protocol/vectors/fold.json');
const vectors = JSON.parse(readFileSync(path, 'utf8')) as Vectors;

describe.each(Object.entries(vectors))('an evening as a %s sees it', (_, { start, steps }) => {
  it('is the same whether it is folded or told whole', () => {
    const view = structuredClone(start);
    for (const { now, changes, after } of steps) {
      fold(view, now, changes);
      expect(view).toEqual(after);
    }
    expect(steps.length).toBeGreaterThan(10);
  });

  it('is the same when every change is folded twice', () => {
    const view = structuredClone(start);
    for (const { now, changes, after } of steps) {
      fold(view, now, [...changes, ...changes]);
      expect(view).toEqual(after);
    }
  });
});

describe('the fold', () => {
  const start = vectors['listener']?.start as RoomView;

  it('ignores topics and streams of a newer house', () => {
    const view = structuredClone(start);
    const strange = [
      { topic: 'unknown' },
      { topic: 'now', record: 'never' },
      { topic: 'constructor', record: {} },
      { topic: 'chat', list: { upsert: [{ id: 'a', rank: 0 }], remove: [] } },
      { topic: 'notices', stream: [{ type: 'onStage' }] },
    ] as TopicChange[];
    fold(view, start.now, strange);
    expect(view).toEqual(start);
  });

  it('leaves the entries alone that a patch does not name', () => {
    const list = ['a', 'b', 'c'].map((id, rank) => ({ id, rank }));
    const after = patched(list, { upsert: [{ id: 'd', rank: 1 }], remove: ['c'] });
    expect(after.map(({ id }) => id)).toEqual(['a', 'b', 'd']);
    expect(after[0]).toBe(list[0]);
  });

  it('orders alike ranks by the bytes of the key, not by its text', () => {
    const ids = ['_A', '-A', '9A', '0A', 'zA', 'aA', 'ZA', 'AA'];
    const after = patched([], { upsert: ids.map((id) => ({ id, rank: 7 })), remove: [] });
    expect(after.map(({ id }) => id)).toEqual(['AA', 'ZA', 'aA', 'zA', '0A', '9A', '-A', '_A']);
  });
});
