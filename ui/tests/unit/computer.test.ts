/** What a person chooses about this computer, the key to talk, and what the tray asks for. */
import { fireEvent, screen, within } from '@testing-library/svelte';
import { describe, expect, it } from 'vitest';
import { keyWords, pressedKeys } from '../../src/state/key_names';
import { speak } from '../../src/words/words.svelte';
import { windowNamed, type WindowName } from '../fixtures/windows';
import { faults, focused, openWindow, polite, settle, urgent } from './window';

async function openSettings(wanted: WindowName) {
  const opened = await openWindow(wanted);
  await opened.user.click(screen.getByRole('button', { name: /settings$/i }));
  await settle();
  return opened;
}

const section = () => within(screen.getByRole('region', { name: 'This computer' }));
const computerOf = (opened: Awaited<ReturnType<typeof openWindow>>) => opened.fixture.fixture.app.computer;
const pressed = (code: string, held: Partial<KeyboardEventInit> = {}) => new KeyboardEvent('keydown', { code, ...held });

describe('a key combination', () => {
  it('is taken once it is more than modifiers', () => {
    expect(pressedKeys(pressed('ControlLeft', { ctrlKey: true }))).toBeNull();
    expect(pressedKeys(pressed('AltRight', { altKey: true }))).toBeNull();
    expect(pressedKeys(pressed('KeyM', { ctrlKey: true, shiftKey: true }))).toBe('Ctrl+Shift+KeyM');
    expect(pressedKeys(pressed('F8'))).toBe('F8');
    expect(pressedKeys(pressed(''))).toBeNull();
  });

  it('is read by what stands on the keys', () => {
    expect(keyWords('Ctrl+Shift+KeyM')).toEqual(['Ctrl', 'Shift', 'M']);
    expect(keyWords('Alt+Digit1')).toEqual(['Alt', '1']);
    expect(keyWords('Ctrl+Numpad5')).toEqual(['Ctrl', 'Num 5']);
    speak('id');
    expect(keyWords('Ctrl+Space')).toEqual(['Ctrl', 'Spasi']);
  });
});

describe('this computer', () => {
  it.each(['home', 'no tray', 'wayland', 'key taken', 'push to talk'] as WindowName[])('has no fault axe could find (%s)', async (name) => {
    await openSettings(name);
    expect(await faults()).toEqual([]);
  });

  it('says what closing does, and that it quits where there is no tray', async () => {
    const opened = await openSettings('home');
    await opened.user.selectOptions(section().getByLabelText('When the window is closed'), 'Always stay in the tray');
    await settle();
    expect(computerOf(opened).whenClosed).toBe('stay');
    document.body.replaceChildren();
    await openSettings('no tray');
    const closed = section().getByLabelText<HTMLSelectElement>('When the window is closed');
    expect([closed.disabled, closed.value]).toEqual([true, 'quit']);
    expect(section().getByText(/shows no tray icons, so closing the window quits/)).toBeTruthy();
    expect(section().queryByLabelText('Start with the computer')).toBeNull();
  });

  it('starts with the computer only when asked to', async () => {
    const opened = await openSettings('home');
    const box = section().getByLabelText<HTMLInputElement>('Start with the computer');
    expect(box.checked).toBe(false);
    await opened.user.click(box);
    await settle();
    expect(computerOf(opened).autostart).toBe(true);
  });

  it('takes another key that is pressed, says which, and switches it off', async () => {
    const opened = await openSettings('home');
    const keys = within(section().getByRole('group', { name: 'Mute and unmute from anywhere' }));
    await opened.user.click(keys.getByRole('button', { name: 'Change' }));
    expect(keys.getByText('Press the keys…')).toBeTruthy();
    await opened.user.keyboard('{Control>}{Alt>}m{/Alt}{/Control}');
    await settle();
    expect(computerOf(opened).muteShortcut.keys).toBe('Ctrl+Alt+KeyM');
    expect(urgent()).toBe('Mute and unmute from anywhere: Ctrl Alt M');
    await opened.user.click(keys.getByRole('button', { name: 'Switch off' }));
    await settle();
    expect(computerOf(opened).muteShortcut.keys).toBeNull();
    expect(keys.getByText('Off')).toBeTruthy();
  });

  it('keeps the key when Escape is pressed, and keeps the dialog', async () => {
    const opened = await openSettings('home');
    const keys = within(section().getByRole('group', { name: 'Mute and unmute from anywhere' }));
    await opened.user.click(keys.getByRole('button', { name: 'Change' }));
    await opened.user.keyboard('{Escape}');
    await settle();
    expect(computerOf(opened).muteShortcut.keys).toBe('Ctrl+Shift+KeyM');
    expect(focused()).toBe('Change');
    expect(screen.getByRole('dialog', { name: 'Settings' })).toBeTruthy();
  });

  it('says why a key is refused, and why one that was chosen does not work', async () => {
    const fixture = windowNamed('home');
    fixture.refused.setMuteShortcut = 'shortcut_wrong';
    const { user } = await openWindow(fixture);
    await user.click(screen.getByRole('button', { name: /settings$/i }));
    await settle();
    await user.click(section().getByRole('button', { name: 'Change' }));
    await user.keyboard('m');
    await settle();
    expect(section().getByText(/would be missing in other programs/)).toBeTruthy();
    document.body.replaceChildren();
    await openSettings('key taken');
    expect(section().getByText(/Another program uses this key/)).toBeTruthy();
  });

  it('offers a command where the desktop shows no keys of other windows', async () => {
    await openSettings('wayland');
    expect(section().getByText(/does not let programs see keys of other windows/)).toBeTruthy();
    expect(section().getByDisplayValue('serambi --toggle-mute')).toBeTruthy();
    expect(section().queryByRole('button', { name: 'Change' })).toBeNull();
    expect(section().getByText(/only while you hold Space in this window/)).toBeTruthy();
  });

  it('shows the key to hold once push to talk is on', async () => {
    const opened = await openSettings('home');
    expect(section().queryByRole('group', { name: 'Key to hold' })).toBeNull();
    await opened.user.click(section().getByLabelText('Push to talk'));
    await settle();
    const key = within(section().getByRole('group', { name: 'Key to hold' }));
    expect(key.getByText('F8')).toBeTruthy();
    expect(key.queryByRole('button', { name: 'Switch off' })).toBeNull();
  });
});

describe('Space', () => {
  it('talks while it is held, however often the keyboard repeats it', async () => {
    const { user, fixture } = await openWindow('push to talk');
    await user.keyboard('{ >3}');
    expect(fixture.talking).toEqual([true]);
    await user.keyboard('{/ }');
    expect(fixture.talking).toEqual([true, false]);
  });

  it('is let go when somebody goes to another window', async () => {
    const { user, fixture } = await openWindow('push to talk');
    await user.keyboard('{ >}');
    await fireEvent.blur(window);
    expect(fixture.talking).toEqual([true, false]);
  });

  it('does nothing where push to talk is off, or to a listener', async () => {
    const off = await openWindow('speaker on a lively evening');
    await off.user.keyboard(' ');
    expect(off.fixture.talking).toEqual([]);
    document.body.replaceChildren();
    const fixture = windowNamed('listener on a lively evening');
    fixture.app.computer = { ...fixture.app.computer, pushToTalk: true };
    const listener = await openWindow(fixture);
    await listener.user.keyboard(' ');
    expect(listener.fixture.talking).toEqual([]);
  });

  it('presses a button that was gone to with the keyboard', async () => {
    const { user, fixture } = await openWindow('push to talk');
    screen.getByRole('button', { name: /^Unmute|^Mute/ }).focus();
    await user.keyboard(' ');
    expect(fixture.talking).toEqual([]);
    expect(fixture.sent).toContain('setMuted');
  });
});

describe('quitting', () => {
  it('is Ctrl+Q, also while something is asked', async () => {
    const { user, fixture } = await openWindow('home');
    await user.keyboard('s');
    await settle();
    await user.keyboard('{Control>}q{/Control}');
    expect(fixture.sent).toContain('quit');
  });

  it('offers to stay in the tray where there is one', async () => {
    const { user, fixture } = await openWindow('close asked');
    await user.click(screen.getByRole('button', { name: 'Stay open in the tray' }));
    await settle();
    expect(fixture.sent).toEqual(['stayInTray']);
    document.body.replaceChildren();
    const other = await openWindow('close asked without a tray');
    await other.user.click(screen.getByRole('button', { name: 'Stay' }));
    await settle();
    expect([other.fixture.sent, screen.queryByRole('dialog')]).toEqual([[], null]);
  });

  it('that did not happen is told when the window is seen again', async () => {
    const { fixture } = await openWindow('home');
    fixture.events?.stayedOpen();
    await settle();
    expect(polite()).toMatch(/stayed open in the tray/);
  });
});

describe('the tray', () => {
  it('asks what becomes of the room in the window', async () => {
    const { fixture } = await openWindow('host of a lively evening');
    fixture.events?.dialogAsked('leave');
    await settle();
    expect(screen.getByRole('dialog', { name: 'You run this room' })).toBeTruthy();
    fixture.events?.dialogAsked('handOver');
    await settle();
    expect(screen.getByRole('dialog', { name: 'Who should run the room?' })).toBeTruthy();
  });

  it('asks nothing about a room that is gone', async () => {
    const { fixture } = await openWindow('home');
    fixture.events?.dialogAsked('handOver');
    await settle();
    expect(screen.queryByRole('dialog')).toBeNull();
  });
});
