/** Names, what is offered, announcements, levels, notices: the parts of the state that need no page. */
import { describe, expect, it, vi } from 'vitest';
import type { LevelBatch, PersonView } from '../../src/backend/backend';
import { personActions } from '../../src/state/actions';
import { Announcer, POLITE_EVERY_MS } from '../../src/state/announcer.svelte';
import { RoomClock } from '../../src/state/clock.svelte';
import { Levels } from '../../src/state/levels.svelte';
import { faceColour, FACE_COLOURS, initials, shortNames } from '../../src/state/names';
import { skeletonOf, tagsOf } from '../../src/state/namesakes';
import { Notices } from '../../src/state/notices.svelte';
import { RoomStore } from '../../src/state/room.svelte';
import { personSentence, stageNames, startedAgo, waiting } from '../../src/state/sentences';
import { room, roomNames, type RoomName } from '../fixtures/windows';

describe('a face', () => {
  it.each([
    ['Ratna Wijaya', 'RW'],
    ['ratna', 'R'],
    ['李晓雨', '李'],
    ['Maria de la Cruz', 'MC'],
    ['👩‍🚀 Ana', '👩‍🚀A'],
    ['', ''],
  ])('of %s shows %s', (name, letters) => expect(initials(name)).toBe(letters));

  it('has a colour that follows the key', () => {
    expect(faceColour('abc')).toBe(faceColour('abc'));
    const seen = new Set(Array.from({ length: 200 }, (_, n) => faceColour(`key${n}`)));
    expect(seen.size).toBe(FACE_COLOURS);
  });

  it('is called by its first name unless two share it', () => {
    const people = ['Dewi Lestari', 'Dewi Ayu', 'Hana Sato', '李晓雨'].map((name) => ({ id: name, name }));
    expect([...shortNames(people).values()]).toEqual(['Dewi Lestari', 'Dewi Ayu', 'Hana', '李晓雨']);
  });
});

describe('namesakes', () => {
  const alike = (...names: string[]) => new Set(names.map(skeletonOf)).size === 1;

  it('are names that look alike, whatever their letters are', () => {
    expect(alike('Ani', '\u0410ni', 'ANI', ' ani ', 'A\u200Bni', '\uFF21\uFF4E\uFF49')).toBe(true);
    expect(alike('Paypal', 'PayPaI', 'paypa1')).toBe(true);
    expect(alike('Ani', 'Ana')).toBe(false);
    expect(alike('李晓雨', '李思远')).toBe(false);
  });

  it('have tags of their keys, as long as it takes to tell them apart', () => {
    const people = [
      { id: 'abcdXY', name: 'Ani' },
      { id: 'abcdXZ', name: '\u0410ni' },
      { id: 'efghij', name: 'Budi' },
      { id: 'abcdXY', name: 'Ani' },
    ];
    expect([...tagsOf(people)]).toEqual([['abcdXY', '#abcdXY'], ['abcdXZ', '#abcdXZ']]); // prettier-ignore
  });
});

const store = (name: RoomName) => new RoomStore({ view: room(name), streams: [] });

function person(room: RoomStore, name: string): PersonView {
  return [...room.stage, ...room.audience].find((one) => one.name === name) as PersonView;
}

const offered = (room: RoomStore, name: string) => personActions(room, person(room, name)).map(({ key }) => key);

describe('what is offered', () => {
  it('to the host: everything, to everyone', () => {
    const room = store('host of a lively evening');
    expect(offered(room, 'Bagus Pratama')).toEqual(['mute', 'to.audience', 'take.mod', 'handover.one', 'remove']);
    expect(offered(room, 'Mei Lin')).toEqual(['to.audience', 'make.mod', 'handover.one', 'remove']);
    expect(offered(room, 'Arif Nugroho')).toEqual(['invite', 'remove']);
    expect(offered(room, 'Dewi Lestari')).toEqual(['invite', 'dismiss', 'remove']);
  });

  it('to a moderator: nothing against the host', () => {
    const room = store('moderator of a lively evening');
    expect(offered(room, 'Ratna Wijaya')).toEqual([]);
    expect(offered(room, 'Mei Lin')).toEqual(['to.audience', 'make.mod', 'remove']);
    expect(offered(room, 'Arif Nugroho')).toEqual(['invite', 'remove']);
  });

  it.each(['speaker on a lively evening', 'listener on a lively evening'] as const)('to a %s: nothing about others', (name) => {
    const room = store(name);
    const others = [...room.stage, ...room.audience].filter(({ id }) => id !== room.you.id);
    expect(others.flatMap((other) => personActions(room, other))).toEqual([]);
  });

  it('to oneself: the way down from the stage, or the hand', () => {
    expect(offered(store('speaker on a lively evening'), 'Mei Lin')).toEqual(['to.audience']);
    expect(offered(store('listener on a lively evening'), 'Arif Nugroho')).toEqual(['hand.up']);
    expect(offered(store('listener second in line'), 'Jonas Weber')).toEqual(['hand.down']);
    const room = store('listener of a locked room without hands');
    expect(personActions(room, person(room, 'Dewi Lestari'))[0]?.refused).toBe('hands_off');
    expect(offered(store('alone host'), 'Ratna Wijaya')).toEqual([]);
  });

  it.each(roomNames)('never a way to unmute somebody else (%s)', (name) => {
    const room = store(name);
    const others = [...room.stage, ...room.audience].filter(({ id }) => id !== room.you.id);
    for (const action of others.flatMap((other) => personActions(room, { ...other, muted: true }))) {
      expect(action.key).not.toMatch(/mute/);
      expect(action.does).not.toMatchObject({ type: 'setMuted' });
    }
  });

  it('an invitation that is out can be taken back; who said later and a full stage say why not', () => {
    const room = store('host with invitations');
    expect(offered(room, 'Dewi Lestari')).toContain('invite.cancel');
    expect(personActions(room, person(room, '李晓雨'))[0]).toMatchObject({ key: 'invite', refused: 'invite_too_soon' });
    const full = store('host of a full stage');
    expect(personActions(full, person(full, 'Dewi Lestari'))[0]).toMatchObject({ key: 'invite', refused: 'stage_full' });
  });

  it('ending is a moderator’s only while no host is present', () => {
    expect(store('moderator of a lively evening').may('endRoom')).toBe(false);
    expect(store('moderator while the host is away').may('endRoom')).toBe(true);
  });
});

describe('a sentence', () => {
  it('says a person on stage', () => {
    const room = store('host of a lively evening');
    const speaker = person(room, 'Mei Lin');
    expect(personSentence(room, { ...speaker, muted: false }, true)).toBe('Mei Lin, speaker, unmuted, talking');
    expect(personSentence(room, { ...speaker, connection: 'away' }, false)).toBe('Mei Lin, away, speaker, muted');
  });

  it('says a listener with a hand and their place', () => {
    const room = store('host of a lively evening');
    expect(personSentence(room, person(room, '李晓雨'), false)).toBe('李晓雨, listener, hand raised, 3rd in line');
  });

  it('says waiting without fidgeting', () => {
    expect([3, 14, 59, 61, 600].map((s) => waiting(0, s * 1000))).toEqual([
      'just now', 'waiting 10 s', 'waiting 50 s', 'waiting 1 min', 'waiting 10 min',
    ]); // prettier-ignore
    expect(startedAgo(39 * 60_000)).toBe('started 39 min ago');
  });

  it('says who is on a large stage', () => {
    const stage = ['Ana A', 'Ben B', 'Cy C', 'Di D', 'Ed E', 'Flo F'].map((name) => ({ id: name, name }));
    expect(stageNames(stage.slice(0, 2))).toBe('Ana and Ben');
    expect(stageNames(stage)).toBe('Ana, Ben, Cy, Di and 2 more');
    expect(stageNames([])).toBe('Nobody is on stage');
  });
});

describe('the announcer', () => {
  it('merges polite words and speaks at most every two seconds', () => {
    vi.useFakeTimers();
    const announcer = new Announcer();
    announcer.say('One.');
    expect(announcer.polite.text).toBe('One.');
    announcer.say('Two.');
    announcer.say('Three');
    announcer.say('Three');
    vi.advanceTimersByTime(POLITE_EVERY_MS - 1);
    expect(announcer.polite.text).toBe('One.');
    vi.advanceTimersByTime(1);
    expect(announcer.polite.text).toBe('Two. Three.');
    vi.advanceTimersByTime(POLITE_EVERY_MS);
    expect(announcer.polite.count).toBe(2);
  });

  it('says urgent words at once, and again when they come again', () => {
    const announcer = new Announcer();
    announcer.interrupt('Sari muted you.');
    announcer.interrupt('Sari muted you.');
    expect(announcer.urgent).toEqual({ text: 'Sari muted you.', count: 2 });
  });
});

describe('levels', () => {
  const batch = (loudness: number | null, own: number | null = null): LevelBatch => ({
    own,
    people: loudness === null ? [] : [['sari', loudness]],
  });

  it('light the ring with the first batch in which somebody is, and put it out with the first without them', () => {
    const levels = new Levels();
    const follower = vi.fn();
    levels.follow('sari', follower);
    levels.hear(batch(50));
    expect([...levels.talking]).toEqual(['sari']);
    expect(follower).toHaveBeenLastCalledWith(true, 0.5);
    levels.hear(batch(null));
    expect(levels.talking.size).toBe(0);
    expect(follower).toHaveBeenLastCalledWith(false, 0);
  });

  it('write nothing while nothing changes', () => {
    const levels = new Levels();
    const follower = vi.fn();
    levels.follow('sari', follower);
    levels.hear(batch(50));
    const calls = follower.mock.calls.length;
    for (let n = 0; n < 20; n += 1) levels.hear(batch(50, n));
    expect(follower).toHaveBeenCalledTimes(calls);
  });

  it('show the own microphone while muted without claiming that one talks', () => {
    const levels = new Levels();
    const own = vi.fn();
    levels.followOwn(own);
    levels.hear(batch(null, 83));
    expect(own).toHaveBeenLastCalledWith(true, 0.83);
    expect(levels.talking.size).toBe(0);
  });

  // A level that stays is not told again: the ring of somebody who muted in mid-sentence would have stayed.
  it('put out the own ring with a mute and not with the next batch', () => {
    const levels = new Levels();
    const own = vi.fn();
    levels.followOwn(own);
    levels.speakAs('me');
    levels.hear(batch(null, 83));
    expect([...levels.talking]).toEqual(['me']);
    levels.speakAs(null);
    expect(levels.talking.size).toBe(0);
    expect(own).toHaveBeenLastCalledWith(true, 0.83);
    levels.speakAs('me');
    expect([...levels.talking]).toEqual(['me']);
  });

  it('are silence after the call', () => {
    const levels = new Levels();
    const own = vi.fn();
    levels.followOwn(own);
    levels.speakAs('me');
    levels.hear(batch(50, 50));
    levels.clear();
    expect(levels.talking.size).toBe(0);
    expect(own).toHaveBeenLastCalledWith(false, 0);
  });

  it('forget a follower that has gone', () => {
    const levels = new Levels();
    const follower = vi.fn();
    levels.follow('sari', follower)();
    levels.hear(batch(50));
    expect(follower).toHaveBeenCalledTimes(1);
  });
});

describe('notices', () => {
  it('go by themselves, three at most, the same words once', () => {
    vi.useFakeTimers();
    const notices = new Notices();
    for (const text of ['a', 'b', 'b', 'c', 'd']) notices.show(text);
    expect(notices.toasts.map(({ text }) => text)).toEqual(['b', 'c', 'd']);
    vi.advanceTimersByTime(6_000);
    expect(notices.toasts).toEqual([]);
  });
});

describe('the clock of the room', () => {
  it('carries the house’s time on between two views', () => {
    let here = 500;
    const clock = new RoomClock(() => here);
    clock.set(60_000);
    here += 3_000;
    clock.tick();
    expect(clock.now).toBe(63_000);
  });
});
