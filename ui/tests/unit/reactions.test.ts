/** Reactions: what floats over whom, what is counted, how they are chosen, and what of them is read aloud. */
import { screen, within } from '@testing-library/svelte';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Reacted, Reaction } from '../../src/backend/backend';
import { COUNTED_MS, ReactionsAloud, ReactionStore, SHOWN_MS, SPOKEN_EVERY_MS } from '../../src/state/reactions.svelte';
import { idOf, inRoom, room } from '../fixtures/windows';
import { resizeTo } from './setup';
import { faults, focused, openWindow, polite, settle } from './window';

const mei = idOf('Mei Lin');
const shown = (reaction: Reaction, count: number): Reacted => ({ audience: [{ reaction, count }], stage: [] });
const by = (person: string, reaction: Reaction): Reacted => ({ audience: [], stage: [{ person, reaction }] });
const button = () => screen.getByRole('button', { name: 'React' });
const menu = () => screen.queryByRole('dialog', { name: 'React' });
const floating = () => [...document.querySelectorAll('.reaction svg')].map((picture) => picture.classList[0]);
const counted = () => [...document.querySelectorAll('.reactions .one:not(.over)')].map((one) => `${one.querySelector('svg')?.classList[0]} ${one.textContent.trim()}`);

beforeEach(() => vi.useFakeTimers({ shouldAdvanceTime: true }));
afterEach(() => vi.useRealTimers());

describe('what was shown', () => {
  it('floats for three seconds, the last of each person alone', () => {
    const store = new ReactionStore();
    store.take([by(mei, 'clap'), by(mei, 'heart')]);
    expect([...store.floating].map(([person, { reaction }]) => [person, reaction])).toEqual([[mei, 'heart']]);
    const { number } = store.floating.get(mei) ?? {};
    vi.advanceTimersByTime(SHOWN_MS - 100);
    store.take([by(mei, 'heart')]);
    expect(store.floating.get(mei)?.number).not.toBe(number);
    vi.advanceTimersByTime(SHOWN_MS - 1);
    expect(store.floating.size).toBe(1);
    vi.advanceTimersByTime(1);
    expect(store.floating.size).toBe(0);
  });

  it('is counted for ten seconds, and each keeps its place until all are over', () => {
    const store = new ReactionStore();
    store.take([shown('laugh', 2)]);
    vi.advanceTimersByTime(5_000);
    store.take([shown('clap', 3), shown('clap', 4)]);
    expect(store.counts).toEqual([{ reaction: 'laugh', count: 2 }, { reaction: 'clap', count: 7 }]);
    vi.advanceTimersByTime(COUNTED_MS - 5_000);
    expect(store.counts).toEqual([{ reaction: 'laugh', count: 0 }, { reaction: 'clap', count: 7 }]);
    vi.advanceTimersByTime(5_000);
    expect(store.counts).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('of a newer house is passed over where there is no picture of it', () => {
    const store = new ReactionStore();
    store.take([shown('wave' as Reaction, 3), by(mei, 'wave' as Reaction)]);
    expect([store.counts.length, store.floating.size]).toEqual([0, 0]);
  });
});

describe('what is read aloud', () => {
  const kept = (value: string | null) => ({ getItem: () => value, setItem: vi.fn() });

  it('of 500 reactions in three seconds is one sentence', () => {
    const say = vi.fn();
    const aloud = new ReactionsAloud(say, null);
    for (let n = 0; n < 13; n += 1) {
      aloud.take([{ audience: [{ reaction: 'clap', count: 38 }], stage: n === 0 ? by(mei, 'heart').stage : [] }]);
      vi.advanceTimersByTime(250);
    }
    expect(say).not.toHaveBeenCalled();
    vi.advanceTimersByTime(30_000);
    expect(say.mock.calls).toEqual([[[{ reaction: 'clap', count: 494 }, { reaction: 'heart', count: 1 }]]]);
  });

  it('comes at most every five seconds while people go on', () => {
    const say = vi.fn();
    const aloud = new ReactionsAloud(say, null);
    for (let ms = 0; ms < 60_000; ms += 250) {
      aloud.take([shown('clap', 1)]);
      vi.advanceTimersByTime(250);
    }
    expect(say.mock.calls.length).toBeLessThanOrEqual(60_000 / SPOKEN_EVERY_MS);
    expect(say.mock.calls.length).toBeGreaterThanOrEqual(60_000 / SPOKEN_EVERY_MS - 2);
  });

  it('can be turned off, which is remembered', () => {
    const [say, storage] = [vi.fn(), kept(null)];
    const aloud = new ReactionsAloud(say, storage);
    aloud.take([shown('clap', 1)]);
    aloud.turn(false);
    aloud.take([shown('clap', 1)]);
    vi.advanceTimersByTime(SPOKEN_EVERY_MS);
    expect(say).not.toHaveBeenCalled();
    expect(storage.setItem).toHaveBeenCalledWith('serambi.reactions', 'silent');
    expect(new ReactionsAloud(say, kept('silent')).on).toBe(false);
  });
});

describe('in the room', () => {
  it('somebody on stage shows it over their face, the audience in the bar, and one sentence is said', async () => {
    const { fixture } = await openWindow('host of a lively evening');
    const before = document.activeElement;
    fixture.tellReactions({ audience: [{ reaction: 'clap', count: 12 }, { reaction: 'heart', count: 1 }], stage: by(mei, 'idea').stage });
    await settle();
    const tile = screen.getByRole('button', { name: /^Mei Lin/ });
    expect(within(tile).queryAllByRole('img')).toEqual([]);
    expect(tile.querySelector('.reaction svg.idea')).not.toBeNull();
    expect(counted()).toEqual(['clap 12', 'heart 1']);
    expect(polite()).toBe('');
    await vi.advanceTimersByTimeAsync(SPOKEN_EVERY_MS);
    await settle();
    expect(polite()).toBe('Reactions: 12 claps, 1 heart and 1 idea.');
    expect(document.activeElement).toBe(before);
    expect(floating()).toEqual([]);
    expect(counted()).toEqual(['clap 12', 'heart 1']);
    expect(await faults()).toEqual([]);
  });

  it('of people who are not on stage nothing floats', async () => {
    const { fixture } = await openWindow('host of a lively evening');
    fixture.tellReactions(by(idOf('Hana Sato'), 'clap'), by('Q'.repeat(43), 'clap'));
    await settle();
    expect(floating()).toEqual([]);
  });
});

describe('reacting', () => {
  it('is chosen with the keyboard alone, by letter, arrows and Enter, and gives focus back', async () => {
    const { user, fixture } = await openWindow('listener on a lively evening');
    button().focus();
    await user.keyboard('r');
    await settle();
    expect(focused()).toBe('Clap');
    expect(await faults()).toEqual([]);
    await user.keyboard('{ArrowRight}{ArrowRight}{ArrowLeft}{Enter}');
    await settle();
    expect(fixture.commands).toEqual([{ type: 'react', reaction: 'heart' }]);
    expect(menu()).toBeNull();
    expect(document.activeElement).toBe(button());
  });

  it('works with single letters off, and with a digit', async () => {
    localStorage.setItem('serambi.shortcuts', JSON.stringify({ single: false, letters: {} }));
    const { user, fixture } = await openWindow('listener on a lively evening');
    await user.keyboard('r');
    expect(menu()).toBeNull();
    await user.keyboard('{Control>}{Shift>}x{/Shift}{/Control}');
    await settle();
    await user.keyboard('6');
    expect(fixture.commands).toEqual([{ type: 'react', reaction: 'agree' }]);
    localStorage.clear();
  });

  it('is offered by a button, and Escape puts it away', async () => {
    const { user } = await openWindow('host of a lively evening');
    await user.click(button());
    await settle();
    expect(within(menu() as HTMLElement).getAllByRole('button').map((one) => one.getAttribute('aria-label'))).toEqual([
      'Clap', 'Heart', 'Laugh', 'Thanks', 'Idea', 'Agree',
    ]); // prettier-ignore
    await user.keyboard('{Escape}');
    await settle();
    expect(menu()).toBeNull();
    expect(document.activeElement).toBe(button());
  });

  it('too soon is said in words', async () => {
    const { user, fixture } = await openWindow('listener on a lively evening');
    fixture.fixture.refused.command = 'reacted_recently';
    await user.keyboard('r1');
    await settle();
    expect(screen.getAllByText('One reaction a second.')[0]).toBeTruthy();
  });

  it('takes the place of a sheet in a narrow window', async () => {
    resizeTo(500, 800);
    const { user } = await openWindow('chat of a listener');
    await user.click(screen.getByRole('button', { name: 'Show chat' }));
    await settle();
    await user.keyboard('{Control>}{Shift>}x{/Shift}{/Control}');
    await settle();
    expect(screen.queryByRole('dialog', { name: 'Chat' })).toBeNull();
    expect(menu()).not.toBeNull();
  });

  it('that is off says so, and nothing opens', async () => {
    const view = room('listener on a lively evening');
    const may = view.you.may.filter((act) => act !== 'react');
    const { user } = await openWindow(inRoom({ ...view, you: { ...view.you, may, refused: [...view.you.refused, { act: 'react', code: 'reactions_off' }] } }));
    expect(button().getAttribute('aria-disabled')).toBe('true');
    await user.click(button());
    await settle();
    expect(menu()).toBeNull();
    expect(screen.getAllByText('Reactions are off right now.')[0]).toBeTruthy();
  });

  it('is not offered by an older house', async () => {
    const view = room('listener on a lively evening');
    await openWindow(inRoom({ ...view, you: { ...view.you, may: view.you.may.filter((act) => act !== 'react') } }));
    expect(screen.queryByRole('button', { name: 'React' })).toBeNull();
  });

  it('is a switch of the moderators in the menu of the room', async () => {
    const { user, fixture } = await openWindow('host of a lively evening');
    await user.click(screen.getByRole('button', { name: 'More' }));
    await settle();
    await user.click(screen.getByRole('menuitem', { name: 'Turn reactions off' }));
    expect(fixture.commands).toEqual([{ type: 'setSwitch', switch: 'reactionsOff', on: true }]);
  });
});
