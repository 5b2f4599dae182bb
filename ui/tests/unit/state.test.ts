/** Names, rights, announcements, levels, notices: the parts of the state that need no page. */
import { describe, expect, it, vi } from 'vitest';
import type { PersonView, Role, RoomView } from '../../src/backend/backend';
import { FakeRoom } from '../../src/backend/fake/house';
import { idOf, ME } from '../../src/backend/fake/people';
import { Announcer, POLITE_EVERY_MS } from '../../src/state/announcer.svelte';
import { RoomClock } from '../../src/state/clock.svelte';
import { Levels } from '../../src/state/levels.svelte';
import { faceColour, FACE_COLOURS, initials, shortNames } from '../../src/state/names';
import { Notices } from '../../src/state/notices.svelte';
import { leavingNeedsAChoice, mayEnd, personActions } from '../../src/state/rights';
import { personSentence, stageNames, startedAgo, waiting } from '../../src/state/sentences';

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
    expect([...shortNames(people).values()]).toEqual(['Dewi L.', 'Dewi A.', 'Hana', '李晓雨']);
  });
});

/** A room with one of each role besides me; `me` has the given role. */
function roomWith(me: Role): RoomView {
  const room = new FakeRoom('room', 'A room', () => 0);
  room.enter(ME.id, ME.name, me, true);
  if (me !== 'host') room.enter(idOf('Host'), 'Host', 'host', false);
  room.enter(idOf('Mod'), 'Mod', 'moderator', false);
  room.enter(idOf('Speaker'), 'Speaker', 'speaker', false);
  room.enter(idOf('Listener'), 'Listener');
  return room.view(ME.id);
}

function offered(room: RoomView, name: string): string[] {
  const person = [...room.stage, ...room.audience].find((someone) => someone.name === name) as PersonView;
  return personActions(room, person).map(({ key }) => key);
}

describe('what is offered', () => {
  it('to the host: everything, to everyone', () => {
    const room = roomWith('host');
    expect(offered(room, 'Mod')).toEqual(['mute', 'to.audience', 'take.mod', 'handover.one', 'remove']);
    expect(offered(room, 'Speaker')).toEqual(['mute', 'to.audience', 'make.mod', 'handover.one', 'remove']);
    expect(offered(room, 'Listener')).toEqual(['invite', 'remove']);
  });

  it('to a moderator: nothing against the host or another moderator', () => {
    const room = roomWith('moderator');
    expect(offered(room, 'Host')).toEqual([]);
    expect(offered(room, 'Mod')).toEqual([]);
    expect(offered(room, 'Speaker')).toEqual(['mute', 'to.audience', 'make.mod', 'remove']);
    expect(offered(room, 'Listener')).toEqual(['invite', 'remove']);
  });

  it.each(['speaker', 'listener'] as Role[])('to a %s: nothing about others', (role) => {
    const room = roomWith(role);
    for (const name of ['Host', 'Mod', 'Speaker', 'Listener']) expect(offered(room, name)).toEqual([]);
  });

  it('to oneself: the way down from the stage, or the hand', () => {
    expect(offered(roomWith('speaker'), ME.name)).toEqual(['to.audience']);
    expect(offered(roomWith('listener'), ME.name)).toEqual(['hand.up']);
  });

  it('never a way to unmute somebody else', () => {
    for (const role of ['host', 'moderator', 'speaker', 'listener'] as Role[]) {
      const room = roomWith(role);
      for (const person of [...room.stage, ...room.audience]) {
        expect(personActions(room, { ...person, muted: true }).map(({ key }) => key)).not.toContain('unmute');
        expect(personActions(room, { ...person, muted: true }).map(({ key }) => key)).not.toContain('mute');
      }
    }
  });

  it('an invitation that is out can be taken back; a full stage says why not', () => {
    const room = roomWith('host');
    const listener = room.audience[0] as PersonView;
    room.invitations = [{ person: listener.id, name: listener.name, state: 'open' }];
    expect(offered(room, 'Listener')).toContain('invite.cancel');
    room.invitations = [];
    room.stageLimit = room.stage.length;
    expect(personActions(room, listener)[0]?.unable).toBe('stage.full');
  });

  it('ending is the host’s, or a moderator’s while no host is present', () => {
    expect(mayEnd(roomWith('host'))).toBe(true);
    const room = roomWith('moderator');
    expect(mayEnd(room)).toBe(false);
    for (const person of room.stage) person.away = person.role === 'host';
    expect(mayEnd(room)).toBe(true);
  });

  it('leaving is asked only of those who run the room, and only if somebody is left behind', () => {
    expect(leavingNeedsAChoice(roomWith('host'))).toBe(true);
    expect(leavingNeedsAChoice(roomWith('speaker'))).toBe(false);
    expect(leavingNeedsAChoice(roomWith('listener'))).toBe(false);
    expect(leavingNeedsAChoice({ ...roomWith('host'), stage: [{} as PersonView], listeners: 0 })).toBe(false);
  });
});

describe('a sentence', () => {
  it('says a person on stage', () => {
    const room = roomWith('host');
    const speaker = room.stage.find(({ name }) => name === 'Speaker') as PersonView;
    expect(personSentence(room, speaker, true)).toBe('Speaker, speaker, unmuted, talking');
    expect(personSentence(room, { ...speaker, muted: true, away: true }, false)).toBe('Speaker, speaker, muted, away');
  });

  it('says a listener with a hand and their place', () => {
    const room = roomWith('host');
    const listener = room.audience[0] as PersonView;
    room.hands.queue = ['a', 'b', listener.id].map((person) => ({ person, name: person, raisedAt: 0 }));
    expect(personSentence(room, { ...listener, hand: true }, false)).toBe('Listener, listener, hand raised, 3rd in line');
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
  const batch = (dbfs: number | null, own: number | null = null) => ({
    own,
    people: dbfs === null ? [] : ([['sari', dbfs]] as [string, number][]),
  });

  it('light the ring with the first audible batch and put it out 200 ms after the last', () => {
    const levels = new Levels();
    levels.hear(batch(-30), null);
    expect([...levels.talking]).toEqual(['sari']);
    for (let n = 0; n < 3; n += 1) levels.hear(batch(null), null);
    expect(levels.talking.has('sari')).toBe(true);
    levels.hear(batch(null), null);
    expect(levels.talking.has('sari')).toBe(false);
  });

  it('take no notice of anything softer than speech', () => {
    const levels = new Levels();
    levels.hear(batch(-46), null);
    expect(levels.talking.size).toBe(0);
  });

  it('write nothing while nothing changes', () => {
    const levels = new Levels();
    const follower = vi.fn();
    levels.follow('sari', follower);
    levels.hear(batch(-30), null);
    const calls = follower.mock.calls.length;
    for (let n = 0; n < 20; n += 1) levels.hear(batch(-30.2), null);
    expect(follower).toHaveBeenCalledTimes(calls);
  });

  it('show the own microphone while muted without claiming that one talks', () => {
    const levels = new Levels();
    const own = vi.fn();
    levels.followOwn(own);
    levels.hear(batch(null, -20), null);
    expect(own).toHaveBeenLastCalledWith(true, expect.closeTo(0.83, 1));
    expect(levels.talking.size).toBe(0);
    levels.hear(batch(null, -20), 'me');
    expect([...levels.talking]).toEqual(['me']);
  });

  it('go out when no batch comes any more', () => {
    vi.useFakeTimers();
    const levels = new Levels();
    const follower = vi.fn();
    levels.follow('sari', follower);
    levels.hear(batch(-20), null);
    vi.advanceTimersByTime(600);
    expect(levels.talking.size).toBe(0);
    expect(follower).toHaveBeenLastCalledWith(false, 0);
  });

  it('forget a follower that has gone', () => {
    const levels = new Levels();
    const follower = vi.fn();
    levels.follow('sari', follower)();
    levels.hear(batch(-20), null);
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
    clock.set({ now: 60_000 } as RoomView);
    here += 3_000;
    clock.tick();
    expect(clock.now).toBe(63_000);
  });
});
