/** The host's way to spare the upload of the computer that carries the room. */
import { screen, within } from '@testing-library/svelte';
import { describe, expect, it } from 'vitest';
import { room, type WindowName } from '../fixtures/windows';
import { openWindow, settle } from './window';

type Opened = Awaited<ReturnType<typeof openWindow>>;

async function openMore(name: WindowName): Promise<Opened> {
  const opened = await openWindow(name);
  await opened.user.click(screen.getByRole('button', { name: 'More' }));
  await settle();
  return opened;
}

async function openDialog(): Promise<Opened> {
  const opened = await openMore('host of a lively evening');
  await opened.user.click(screen.getByRole('menuitem', { name: 'Large audience' }));
  await settle();
  return opened;
}

const dialog = () => within(screen.getByRole('dialog', { name: 'Large audience' }));
const choice = (name: string) => within(dialog().getByRole('group', { name: 'Save upload' })).getByRole('radio', { name });

describe('a large audience', () => {
  it('is for the host to think of, not for moderators, speakers and listeners', async () => {
    for (const name of ['moderator of a lively evening', 'speaker on a lively evening', 'listener on a lively evening'] as const) {
      await openMore(name);
      expect(screen.queryByRole('menuitem', { name: 'Large audience' })).toBeNull();
      document.body.replaceChildren();
    }
  });

  it('begins with nothing saved and says what saving gives and takes', async () => {
    const { user, fixture } = await openDialog();
    expect(choice('Off')).toHaveProperty('checked', true);
    await user.click(choice('On'));
    expect(fixture.commands).toEqual([{ type: 'setSwitch', switch: 'savesUpload', on: true }]);
    fixture.show(room('host of a locked room'));
    await settle();
    expect(choice('On')).toHaveProperty('checked', true);
    const group = dialog().getByRole('group', { name: 'Save upload' });
    const hint = document.getElementById(group.getAttribute('aria-describedby') ?? '');
    expect(hint?.textContent).toContain('20 ms later');
    await user.click(choice('Off'));
    expect(fixture.commands.at(-1)).toEqual({ type: 'setSwitch', switch: 'savesUpload', on: false });
  });

  it('is gone from the screen with the room', async () => {
    const { fixture } = await openDialog();
    fixture.update({ type: 'none' });
    await settle();
    expect(screen.queryByRole('dialog', { name: 'Large audience' })).toBeNull();
  });
});
