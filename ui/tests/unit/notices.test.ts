/** What a person chooses about sounds and notices. */
import { screen, within } from '@testing-library/svelte';
import { describe, expect, it } from 'vitest';
import { evening } from '../fixtures/windows';
import { faults, openWindow, settle } from './window';

const group = (name: string) => within(screen.getByRole('group', { name }));
const chosen = (name: string) => group(name).getAllByRole<HTMLInputElement>('radio').find(({ checked }) => checked)?.value;

const quiet = () => screen.getByLabelText<HTMLSelectElement>("Don't disturb");

async function openSettings() {
  const opened = await openWindow('home');
  await opened.user.click(screen.getByRole('button', { name: /Settings/ }));
  await settle();
  return opened;
}

describe('sounds and notices', () => {
  it('sounds for what happens are on until they are turned off, all together', async () => {
    const { user, fixture } = await openSettings();
    expect(chosen('Sounds for what happens')).toBe('on');
    await user.click(group('Sounds for what happens').getByRole('radio', { name: 'Off' }));
    await settle();
    expect(fixture.fixture.app.sound.cues).toBe('off');
    expect(screen.getByText('Nothing that happens in a room makes a sound.')).toBeTruthy();
    expect(await faults()).toEqual([]);
  });

  it.each([
    ['For an hour', 'hour', /^Until 20:30 you are told only when/],
    ['While I am in a room', 'whileInRoom', /^In a room you are told only when/],
  ])('do not disturb: %s, and what still comes', async (name, value, hint) => {
    const { user } = await openSettings();
    expect(quiet().value).toBe('off');
    await user.selectOptions(quiet(), name);
    await settle();
    expect(quiet().value).toBe(value);
    expect(screen.getByText(hint)).toBeTruthy();
  });

  it('what is over by the clock of this computer is off', async () => {
    const { fixture } = await openSettings();
    fixture.changeApp({ doNotDisturb: { type: 'hour', until: evening().getTime() } });
    await settle();
    expect(quiet().value).toBe('off');
  });
});
