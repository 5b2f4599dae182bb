/** The imagined house keeps the rules that the pages rely on. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { AppView, CallView, Code, Ears, Notice, Result } from '../../src/backend/backend';
import { FakeBackend } from '../../src/backend/fake';
import { idOf, ME } from '../../src/backend/fake/people';
import { linkTo, scenarios, type ScenarioName } from '../../src/backend/fake/scenarios';

let view: AppView & { call: CallView | null };
let notices: Notice[];
let closed: string[];

let hereMs = 0;

async function openAs(scenario: ScenarioName): Promise<FakeBackend> {
  const fake = new FakeBackend({ scenario, now: () => hereMs });
  notices = [];
  closed = [];
  const ears: Ears = {
    appChanged: (next) => (view = { ...next, call: view.call }),
    callChanged: ({ call }) => (view = { ...view, call }),
    noticed: (notice) => notices.push(notice),
    soundNoticed: () => {},
    callMeasured: () => {},
    callClosed: (reason) => closed.push(reason),
    problem: () => {},
    closeAsked: () => {},
  };
  await fake.listen(ears);
  const answer = await fake.openApp();
  if (answer.status === 'ok') view = { ...answer.data.app, call: answer.data.call.call };
  return fake;
}

const code = (result: Result<unknown>): Code | 'ok' => (result.status === 'error' ? result.error.code : 'ok');
const me = () => view.call?.room.you;

describe('every scenario', () => {
  it.each((Object.keys(scenarios) as ScenarioName[]).filter((name) => name !== 'loading'))('opens: %s', async (name) => {
    const fake = await openAs(name);
    expect(code(await fake.openApp())).toBe(name === 'broken' ? 'profile_broken' : 'ok');
  });

  it('is the same in every run', async () => {
    await openAs('room-host');
    const first = JSON.stringify(view);
    await openAs('room-host');
    expect(JSON.stringify(view)).toBe(first);
  });
});

describe('a room of one’s own', () => {
  let fake: FakeBackend;
  beforeEach(async () => {
    fake = await openAs('home-empty');
    await fake.startRoom('Tonight', false);
  });

  it('begins on stage, muted, as host, and stands in the own house', () => {
    expect(me()).toMatchObject({ role: 'host', muted: true });
    expect(view.home.found[0]).toMatchObject({ mine: true, card: { title: 'Tonight' } });
  });

  it('has a queue in the order of raising', () => {
    fake.arrive('Ana', 'Ben', 'Cy');
    const raise = (name: string) => {
      hereMs += 1_000;
      fake.guest(name, { type: 'raiseHand' });
    };
    ['Ana', 'Ben', 'Cy'].forEach(raise);
    fake.guest('Ana', { type: 'lowerHand' });
    raise('Ana');
    expect(view.call?.room.hands.queue.map(({ name }) => name)).toEqual(['Ben', 'Cy', 'Ana']);
    expect(notices).toContainEqual({ type: 'handRaised', name: 'Cy', count: 3 });
  });

  it('brings an invited hand on stage, muted', async () => {
    fake.arrive('Ana');
    fake.guest('Ana', { type: 'raiseHand' });
    expect(code(await fake.command({ type: 'invite', person: idOf('Ana') }))).toBe('ok');
    expect(code(await fake.command({ type: 'invite', person: idOf('Ana') }))).toBe('already_invited');
    fake.guest('Ana', { type: 'acceptInvitation' });
    expect(view.call?.room.stage.at(-1)).toMatchObject({ name: 'Ana', role: 'speaker', muted: true });
    expect(view.call?.room.hands.count).toBe(0);
    expect(notices.at(-1)).toEqual({ type: 'joinedStage', name: 'Ana' });
  });

  it('always has a host while anybody is on stage', async () => {
    fake.arrive('Ana');
    await fake.command({ type: 'invite', person: idOf('Ana') });
    fake.guest('Ana', { type: 'acceptInvitation' });
    await fake.command({ type: 'handOver', person: idOf('Ana') });
    expect(view.call?.room.stage.filter(({ role }) => role === 'host').map(({ name }) => name)).toEqual(['Ana']);
    expect(me()?.role).toBe('moderator');
  });

  it('ends for everyone', async () => {
    await fake.endRoom();
    expect(view.call).toBeNull();
    expect(closed).toEqual(['ended']);
  });
});

describe('a listener', () => {
  it('has a closed microphone and no queue to read', async () => {
    await openAs('room-listener');
    expect(view.call?.microphone).toMatchObject({ open: false, muted: true });
    expect(view.call?.room.hands.queue).toEqual([]);
    expect(view.call?.room.hands.count).toBe(0);
    expect(view.call?.room.audience.some(({ hand }) => hand)).toBe(false);
  });

  it('cannot do what a moderator does', async () => {
    const fake = await openAs('room-listener');
    expect(code(await fake.command({ type: 'mute', person: idOf('Theo Okafor') }))).toBe('not_allowed');
    expect(code(await fake.setMuted(false))).toBe('not_on_stage');
  });

  it('waits half a minute after a dismissed hand', async () => {
    const fake = await openAs('room-listener');
    await fake.command({ type: 'raiseHand' });
    expect(me()?.place).toBe(4);
    fake.guest('Wayan Sudra', { type: 'dismissHand', person: ME.id });
    expect(notices.at(-1)).toEqual({ type: 'handDismissed' });
    expect(code(await fake.command({ type: 'raiseHand' }))).toBe('hand_too_soon');
  });

  it('is refused while hands are off', async () => {
    const fake = await openAs('room-hands-off');
    expect(code(await fake.command({ type: 'raiseHand' }))).toBe('hands_off');
  });
});

describe('refusals', () => {
  it.each([
    ['', 'name_empty'],
    ['x'.repeat(65), 'name_too_long'],
    ['a\u0007b', 'name_unreadable'],
  ])('of the name %j', async (name, wanted) => {
    const fake = await openAs('welcome');
    expect(code(await fake.setName(name))).toBe(wanted);
  });

  it('of links', async () => {
    const fake = await openAs('home');
    expect(code(await fake.joinLink('hello', false))).toBe('link_wrong');
    expect(code(await fake.joinLink(linkTo('nowhere000'), false))).toBe('room_not_found');
    expect(code(await fake.joinLink(linkTo('kelas00000'), false))).toBe('ok');
  });

  it('of a second room while on stage in the first', async () => {
    const fake = await openAs('room-host');
    expect(code(await fake.startRoom('', false))).toBe('on_stage_elsewhere');
    expect(code(await fake.startRoom('', true))).toBe('ok');
    expect(view.call?.room.stage).toHaveLength(1);
  });
});

it('a thousand listeners are counted, two hundred listed', async () => {
  await openAs('room-crowd');
  expect(view.call?.room.listeners).toBe(1000);
  expect(view.call?.room.audience).toHaveLength(200);
  expect(new Set(view.call?.room.audience.map(({ id }) => id)).size).toBe(200);
});
