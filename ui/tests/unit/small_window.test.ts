/** The small window: the room in one line, what it asks, and the way there and back. Home while one stays in the room. */
import { screen, within } from '@testing-library/svelte';
import { describe, expect, it } from 'vitest';
import { idOf, inRoom, room } from '../fixtures/windows';
import { resizeTo } from './setup';
import { faults, focused, openWindow, settle } from './window';

const names = () => screen.getAllByRole('button').map((button) => button.getAttribute('aria-label') ?? button.textContent?.trim());

describe('the small window', () => {
  it('is made with one press and undone with another', async () => {
    const { user, fixture } = await openWindow('host of a lively evening');
    await user.click(screen.getByRole('button', { name: 'Small window' }));
    await settle();
    expect(fixture.sent).toEqual(['setSmall']);
    expect(names()).toEqual(['Mute microphone', 'Leave quietly', 'Back to the full window']);
    expect(document.activeElement).toBe(screen.getByRole('main', { name: 'Evening on the porch' }));
    await user.click(screen.getByRole('button', { name: 'Back to the full window' }));
    await settle();
    expect(fixture.sent).toEqual(['setSmall', 'setSmall']);
    expect(screen.getByRole('button', { name: 'Invite' })).toBeTruthy();
  });

  it('is the window made small by hand as well', async () => {
    resizeTo(420, 72);
    await openWindow('speaker on a lively evening');
    expect(names()).toEqual(['Unmute microphone', 'Leave quietly', 'Back to the full window']);
    expect(await faults()).toEqual([]);
  });

  it('has the hand for a listener, and says their place', async () => {
    resizeTo(420, 72);
    const { user, fixture } = await openWindow('listener second in line');
    expect(screen.getByTitle('2nd in line · 7 here')).toBeTruthy();
    await user.click(screen.getByRole('button', { name: 'Lower hand' }));
    expect(fixture.sent).toEqual(['lowerHand']);
  });

  it('shows an invitation whole, with both answers, and grows for it', async () => {
    resizeTo(420, 72);
    const { user, fixture } = await openWindow('invited listener');
    expect(fixture.sent).toContain('setSmallGrown');
    expect(screen.getByRole('dialog', { name: 'Ratna Wijaya invited you to speak.' })).toBeTruthy();
    expect(names()).toEqual(['Join the stage', 'Maybe later']);
    expect(focused()).toBe('Join the stage');
    await user.click(screen.getByRole('button', { name: 'Maybe later' }));
    expect(fixture.commands).toEqual([{ type: 'declineInvitation' }]);
  });

  it('asks a host who leaves, and hands over with one press', async () => {
    resizeTo(420, 72);
    const { user, fixture } = await openWindow('host of a lively evening');
    await user.click(screen.getByRole('button', { name: 'Leave quietly' }));
    await settle();
    const asked = within(screen.getByRole('dialog', { name: 'You run this room' }));
    expect(asked.getByText('Bagus Pratama will run the room.')).toBeTruthy();
    expect(focused()).toBe('Leave quietly');
    expect(await faults()).toEqual([]);
    await user.click(asked.getByRole('button', { name: 'Hand over and leave, Mei Lin' }));
    await settle();
    expect(fixture.commands).toEqual([{ type: 'handOver', person: idOf('Mei Lin') }]);
    expect(fixture.sent.at(-1)).toBe('leave');
  });

  it('is left as before: quietly, or not at all', async () => {
    resizeTo(420, 72);
    const { user, fixture } = await openWindow('host of a lively evening');
    await user.click(screen.getByRole('button', { name: 'Leave quietly' }));
    await settle();
    await user.keyboard('{Escape}');
    await settle();
    expect(screen.queryByRole('dialog')).toBeNull();
    await user.click(screen.getByRole('button', { name: 'Leave quietly' }));
    await settle();
    await user.click(screen.getByRole('button', { name: 'Leave quietly' }));
    await settle();
    expect(fixture.sent).toContain('leave');
    expect(fixture.commands).toEqual([]);
  });

  it('becomes the full one for a question that needs room, and when the room is gone', async () => {
    const { user, fixture } = await openWindow('speaker on a lively evening');
    await user.click(screen.getByRole('button', { name: 'Small window' }));
    await settle();
    await user.keyboard('?');
    await settle();
    expect(screen.getByRole('dialog', { name: 'Keys' })).toBeTruthy();
    expect(screen.getByRole('button', { name: 'Invite', hidden: true })).toBeTruthy();
    await user.click(screen.getByRole('button', { name: 'Close' }));
    await user.click(screen.getByRole('button', { name: 'Small window' }));
    await settle();
    const before = fixture.sent.length;
    fixture.update({ type: 'none' });
    await settle();
    expect(fixture.sent.slice(before)).toEqual(['setSmall']);
    expect(screen.getByRole('heading', { level: 1 }).textContent).toContain('Good evening');
  });
});

describe('Home while one stays in the room', () => {
  it('is behind the logo; microphone, leave and the way back stay at hand', async () => {
    const { user, fixture } = await openWindow('host of a lively evening');
    await user.click(screen.getByRole('button', { name: 'Serambi, Home, stay in the room' }));
    await settle();
    expect(fixture.sent).toEqual([]);
    expect(document.activeElement).toBe(screen.getByRole('main', { name: /^Good evening/ }));
    const bar = within(screen.getByRole('region', { name: 'Your controls' }));
    expect(bar.getByText('Evening on the porch')).toBeTruthy();
    expect(await faults()).toEqual([]);
    await user.keyboard('m');
    expect(fixture.sent).toEqual(['setMuted']);
    await user.click(bar.getByRole('button', { name: 'Back to the room' }));
    await settle();
    expect(screen.getByRole('list', { name: /^Stage/ })).toBeTruthy();
  });

  it('shows an invitation, and the room that one goes to', async () => {
    const { user, fixture } = await openWindow('listener on a lively evening');
    await user.click(screen.getByRole('button', { name: 'More' }));
    await user.click(screen.getByRole('menuitem', { name: 'Home, stay in the room' }));
    await settle();
    const invited = room('invited listener');
    fixture.show({ ...invited, room: { ...invited.room, id: fixture.fixture.room?.room.id ?? '' } });
    await settle();
    expect(screen.getByRole('dialog', { name: 'Ratna Wijaya invited you to speak.' })).toBeTruthy();
    const other = inRoom(room('alone host'));
    if (other.call && other.room) fixture.open(other.call, { ...other.room, room: { ...other.room.room, id: 'another222' } });
    await settle();
    expect(screen.getByRole('list', { name: /^Stage/ })).toBeTruthy();
  });
});
