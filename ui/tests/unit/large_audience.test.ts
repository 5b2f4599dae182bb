/** The host's way to spare the upload of the computer that carries the room. */
import { screen, within } from '@testing-library/svelte';
import { describe, expect, it } from 'vitest';
import type { ScenarioName } from '../../src/backend/fake/scenarios';
import { openWindow, settle } from './window';

type Opened = Awaited<ReturnType<typeof openWindow>>;

async function openMore(scenario: ScenarioName): Promise<Opened> {
  const opened = await openWindow(scenario);
  await opened.user.click(screen.getByRole('button', { name: 'More' }));
  await settle();
  return opened;
}

async function openDialog(): Promise<Opened> {
  const opened = await openMore('room-host');
  await opened.user.click(screen.getByRole('menuitem', { name: 'Large audience' }));
  await settle();
  return opened;
}

const dialog = () => within(screen.getByRole('dialog', { name: 'Large audience' }));
const choice = (name: string) => within(dialog().getByRole('group', { name: 'Save upload' })).getByRole('radio', { name });

describe('a large audience', () => {
  it('is for the host to think of, not for moderators, speakers and listeners', async () => {
    for (const scenario of ['room-moderator', 'room-speaker', 'room-listener'] as const) {
      await openMore(scenario);
      expect(screen.queryByRole('menuitem', { name: 'Large audience' })).toBeNull();
      document.body.replaceChildren();
    }
  });

  it('begins with nothing saved and says what saving gives and takes', async () => {
    const { user, fake } = await openDialog();
    expect(choice('Off')).toHaveProperty('checked', true);
    await user.click(choice('On'));
    await settle();
    expect(fake.sent).toEqual(['saveUpload']);
    expect(fake.view().call?.room.savesUpload).toBe(true);
    expect(choice('On')).toHaveProperty('checked', true);
    const group = dialog().getByRole('group', { name: 'Save upload' });
    const hint = document.getElementById(group.getAttribute('aria-describedby') ?? '');
    expect(hint?.textContent).toContain('20 ms later');
    await user.click(choice('Off'));
    await settle();
    expect(fake.view().call?.room.savesUpload).toBe(false);
  });

  it('is gone from the screen with the room', async () => {
    const { fake } = await openDialog();
    fake.loseRoom();
    await settle();
    expect(screen.queryByRole('dialog', { name: 'Large audience' })).toBeNull();
  });
});
