/** Calling people in, being called, and asking to come into a locked room. */
import { screen, within } from '@testing-library/svelte';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { KNOCK_EVERY_MS } from '../../src/state/door';
import { idOf, inRoom, room, windowNamed } from '../fixtures/windows';
import { resizeTo } from './setup';
import { faults, focused, openWindow, polite, settle, urgent } from './window';

const dialog = () => within(screen.getByRole('dialog', { name: 'This room is locked' }));
const press = (name: string) => dialog().getByRole('button', { name });
const atTheDoor = (name: string) => screen.getByRole('region', { name });

async function findItLocked(name: Parameters<typeof windowNamed>[0] = 'joining a locked room') {
  const opened = await openWindow(name);
  await opened.user.click(screen.getAllByRole('button', { name: /Evening on the porch/ })[0] as HTMLElement);
  await settle();
  return opened;
}

describe('at the door of a locked room', () => {
  afterEach(() => vi.useRealTimers());

  it('one can ask to come in, is told that one waits, and is inside once let in', async () => {
    const { user, fixture } = await findItLocked();
    expect(focused()).toBe('Ask to come in');
    expect(await faults()).toEqual([]);
    vi.useFakeTimers({ shouldAdvanceTime: true });
    await user.click(press('Ask to come in'));
    await settle();
    expect(dialog().getAllByText('You are at the door. The moderators have been told.')[0]).toBeTruthy();
    expect(polite()).toContain('You are at the door.');
    fixture.fixture.door = 'letIn';
    fixture.fixture.refused = {};
    fixture.sent.length = 0;
    await vi.advanceTimersByTimeAsync(KNOCK_EVERY_MS);
    await settle();
    expect(fixture.sent).toEqual(['knock', 'joinRoom']);
    expect(screen.queryByRole('dialog')).toBeNull();
  });

  it('who stops waiting says so, and who closes the question does too', async () => {
    for (const leave of ['Stop waiting', 'Close']) {
      const { user, fixture } = await findItLocked();
      await user.click(press('Ask to come in'));
      await settle();
      fixture.sent.length = 0;
      await user.click(dialog().getAllByRole('button', { name: leave })[0] as HTMLElement);
      await settle();
      expect(fixture.sent, leave).toEqual(['knock']);
      document.body.replaceChildren();
    }
  });

  it('"not now" is said in words, and not asked again at once', async () => {
    const { user } = await findItLocked('turned away at the door');
    await user.click(press('Ask to come in'));
    await settle();
    expect(dialog().getAllByText(/^Not now, said a moderator/)[0]).toBeTruthy();
    expect(dialog().queryByRole('button', { name: 'Ask to come in' })).toBeNull();
  });

  it('a refusal is explained where it was asked', async () => {
    const { user, fixture } = await findItLocked();
    fixture.fixture.refused.knock = 'door_crowded';
    await user.click(press('Ask to come in'));
    await settle();
    expect(dialog().getAllByText('Too many people are at the door. Try again in a minute.')[0]).toBeTruthy();
    expect(urgent()).toContain('Too many people');
  });
});

describe('who is at the door', () => {
  it('is shown to moderators one at a time, without taking focus, and answered by button', async () => {
    const { user, fixture } = await openWindow('host with two at the door');
    const card = atTheDoor('Hana Sato is at the door.');
    expect(within(card).getByText('just now, and 1 more')).toBeTruthy();
    expect(card.contains(document.activeElement)).toBe(false);
    expect(await faults()).toEqual([]);
    await user.click(within(card).getByRole('button', { name: 'Let in, Hana Sato' }));
    await user.click(within(card).getByRole('button', { name: 'Not now, Hana Sato' }));
    const person = idOf('Hana Sato');
    expect(fixture.commands).toEqual([{ type: 'letIn', person }, { type: 'turnAway', person }]);
    expect(polite()).toContain('Hana Sato');
  });

  it('is answered with the keys of a raised hand, which F6 leads to', async () => {
    const { user, fixture } = await openWindow('host with two at the door');
    const card = atTheDoor('Hana Sato is at the door.');
    for (let n = 0; n < 8 && !card.contains(document.activeElement); n += 1) await user.keyboard('{F6}');
    expect(card.contains(document.activeElement)).toBe(true);
    await user.keyboard('i');
    await settle();
    expect(fixture.commands).toEqual([{ type: 'letIn', person: idOf('Hana Sato') }]);
  });

  it('is announced once, and the next one follows', async () => {
    const view = room('host with two at the door');
    const { fixture } = await openWindow(inRoom({ ...view, door: [] }));
    expect(screen.queryByText(/is at the door/)).toBeNull();
    fixture.show(view);
    fixture.events?.noticed({ type: 'atTheDoor', name: 'Hana Sato', count: 1 });
    await settle();
    expect(polite()).toContain('Hana Sato is at the door.');
    const [first] = view.door ?? [];
    fixture.update({ type: 'room', now: view.now, changes: [{ topic: 'door', list: { upsert: [], remove: [first?.id ?? ''] } }] });
    await settle();
    expect(atTheDoor('Sari Putri is at the door.')).toBeTruthy();
  });

  it('is nothing that listeners and speakers see', async () => {
    await openWindow('listener of a locked room without hands');
    expect(screen.queryByText(/is at the door/)).toBeNull();
  });
});

describe('calling people in', () => {
  async function invite(name: Parameters<typeof windowNamed>[0]) {
    const opened = await openWindow(name);
    await opened.user.click(screen.getByRole('button', { name: 'Invite' }));
    await settle();
    return opened;
  }

  it('lists who is around, without where, and says who was pinged already', async () => {
    const { user, fixture } = await invite('people to ping');
    const list = within(screen.getByRole('region', { name: 'Ping in' }));
    expect(list.getAllByRole('listitem').map(({ textContent }) => textContent?.replaceAll(/\s+/g, ' ').trim())).toEqual([
      'Hana Sato around now Ping',
      'Made Wirawan around now Pinged',
      'Lara Novak around now Ping',
    ]);
    expect(list.getByText('Whoever you ping can come in although the room is locked.')).toBeTruthy();
    expect(await faults()).toEqual([]);
    await user.click(list.getByRole('button', { name: 'Ping in, Lara Novak' }));
    await settle();
    expect(fixture.commands).toEqual([{ type: 'ping', person: idOf('Lara Novak') }]);
    expect(polite()).toContain('Lara Novak was pinged.');
  });

  it('says that nobody is around, and nothing where one may not', async () => {
    await invite('nobody to ping');
    expect(screen.getByText('Nobody else is around in this house right now.')).toBeTruthy();
    document.body.replaceChildren();
    await invite('listener of a locked room without hands');
    expect(screen.queryByRole('region', { name: 'Ping in' })).toBeNull();
  });
});

describe('being called', () => {
  it.each(['called at home', 'called in a room'] as const)('%s: one question, Join or Not now', async (name) => {
    const { user, fixture } = await openWindow(name);
    const card = within(screen.getByRole('dialog', { name: 'Bagus Pratama wants you in “Evening on the porch”' }));
    expect(card.getByText('Rumah Bagus · 4 on stage')).toBeTruthy();
    expect(focused()).toBe('Join');
    expect(await faults()).toEqual([]);
    await user.click(card.getByRole('button', { name: 'Join' }));
    await settle();
    expect(fixture.sent).toContain('joinCalled');
    expect(screen.queryByRole('dialog')).toBeNull();
  });

  it('who says not now, by button or Escape, is left where they were', async () => {
    for (const key of ['{Escape}', '{Tab}{Enter}']) {
      const { user, fixture } = await openWindow('called at home');
      await user.keyboard(key);
      await settle();
      expect(fixture.sent, key).toContain('passCalled');
      expect(fixture.sent).not.toContain('joinCalled');
      document.body.replaceChildren();
    }
  });

  it('whoever is on stage elsewhere is asked before they leave it', async () => {
    const wanted = windowNamed('called in a room');
    const { user } = await openWindow({ ...wanted, refused: { joinCalled: 'on_stage_elsewhere' } });
    await user.click(screen.getByRole('button', { name: 'Join' }));
    await settle();
    expect(screen.getByRole('dialog', { name: 'You are on stage in another room' })).toBeTruthy();
  });

  it('is asked in the small window too, which grows for it', async () => {
    resizeTo(420, 72);
    const { user, fixture } = await openWindow('called in a room');
    expect(fixture.sent).toContain('setSmallGrown');
    expect(screen.getAllByRole('dialog')).toHaveLength(1);
    await user.click(screen.getByRole('button', { name: 'Not now' }));
    await settle();
    expect(fixture.sent).toContain('passCalled');
  });

  it('is a choice among the settings', async () => {
    const { user, fixture } = await openWindow('home');
    await user.click(screen.getByRole('button', { name: /Settings/ }));
    await settle();
    await user.selectOptions(screen.getByLabelText('Others may ping me into their rooms'), 'Whenever Serambi runs');
    await settle();
    expect(fixture.fixture.app.callMe).toBe('always');
    expect(screen.getByText(/stays connected to your saved houses/)).toBeTruthy();
  });
});
