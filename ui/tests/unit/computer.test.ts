/** What a person chooses about this computer, the key to talk, and what the tray asks for. */
import { fireEvent, screen, within } from '@testing-library/svelte';
import { describe, expect, it } from 'vitest';
import type { UpdatesView } from '../../src/backend/backend';
import { keyWords, pressedKeys } from '../../src/state/key_names';
import { speak, t } from '../../src/words/words.svelte';
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

describe('push to talk in the window', () => {
  const pill = () => document.querySelector('[data-part="talk"]')?.textContent.trim();

  it('says which key to hold, and that the voice goes out while it does', async () => {
    const { fixture } = await openWindow('push to talk');
    expect(pill()).toBe('Hold F8 to talk');
    const { call } = fixture.fixture;
    if (!call) throw new Error('no call');
    fixture.update({ type: 'call', call: { ...call, microphone: { ...call.microphone, muted: false } } });
    await settle();
    expect(pill()).toBe('Your voice is going out (F8)');
  });

  it('never says that a voice goes out without a way for the sound', async () => {
    const { fixture } = await openWindow('push to talk, talking');
    const { call } = fixture.fixture;
    if (!call) throw new Error('no call');
    fixture.update({ type: 'call', call: { ...call, connection: { type: 'soundReconnecting' } } });
    await settle();
    expect(pill()).toBe('Hold F8 to talk');
  });

  it('names Space where no key works from anywhere, and the desktop’s own words for the key it gave', async () => {
    const fixture = windowNamed('push to talk');
    const { computer } = fixture.app;
    fixture.app.computer = { ...computer, keysAnywhere: 'nowhere' };
    await openWindow(fixture);
    expect(pill()).toBe('Hold Space to talk');
    document.body.replaceChildren();
    const key = { ...computer.pushToTalkKey, described: 'Meta+T' };
    fixture.app.computer = { ...computer, keysAnywhere: 'desktop', pushToTalkKey: key };
    await openWindow(fixture);
    expect(pill()).toBe('Push to talk: Meta+T');
  });

  it('is not there where it is off, or for a listener', async () => {
    await openWindow('speaker on a lively evening');
    expect(pill()).toBeUndefined();
    document.body.replaceChildren();
    const listener = windowNamed('listener on a lively evening');
    listener.app.computer = { ...listener.app.computer, pushToTalk: true };
    await openWindow(listener);
    expect(pill()).toBeUndefined();
  });
});

describe('the small window', () => {
  it('stays in front only as long as that is wished', async () => {
    const opened = await openSettings('home');
    const box = section().getByLabelText<HTMLInputElement>('Keep the small window in front');
    expect(box.checked).toBe(true);
    await opened.user.click(box);
    await settle();
    expect(opened.fixture.sent).toContain('setSmallOnTop');
    expect(computerOf(opened).smallOnTop).toBe(false);
  });

  it('says in its line whether the voice goes out, and with which key', async () => {
    const fixture = windowNamed('push to talk');
    await openWindow(fixture);
    await fireEvent.click(screen.getByRole('button', { name: 'Small window' }));
    await settle();
    expect(screen.getByText('Hold F8 to talk')).toBeTruthy();
  });
});

describe('keys of the desktop', () => {
  it('are shown in its own words, and where to change them', async () => {
    await openSettings('keys of the desktop');
    const key = within(section().getByRole('group', { name: 'Mute and unmute from anywhere' }));
    expect(key.getByText('Press Ctrl+Shift+M')).toBeTruthy();
    expect(section().queryByRole('button', { name: 'Change' })).toBeNull();
    expect(within(section().getByRole('group', { name: 'Key to hold' })).getByText('Not given yet')).toBeTruthy();
    expect(section().queryByDisplayValue('serambi --toggle-mute')).toBeNull();
    expect(await faults()).toEqual([]);
  });
});

describe('updates', () => {
  const updates = () => within(screen.getByRole('region', { name: 'Updates' }));
  const withUpdates = (change: Partial<UpdatesView>) => {
    const fixture = windowNamed('home');
    fixture.app.updates = { ...fixture.app.updates, ...change };
    return fixture;
  };
  const SOURCE = 'https://serambi.example/latest.json#RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3';

  async function open(fixture: ReturnType<typeof windowNamed>) {
    const opened = await openWindow(fixture);
    await opened.user.click(screen.getByRole('button', { name: /settings$/i }));
    await settle();
    return opened;
  }

  it('are off and say so until an address is set', async () => {
    const { user, fixture } = await open(withUpdates({}));
    expect(updates().getByText('No address is set: Serambi asks nobody for updates.')).toBeTruthy();
    expect(updates().queryByRole('button', { name: 'Check now' })).toBeNull();
    await user.type(updates().getByLabelText('Update address'), SOURCE);
    await user.click(updates().getByRole('button', { name: 'Use this address' }));
    await settle();
    expect(fixture.fixture.app.updates.source).toBe(SOURCE);
    expect(fixture.sent).not.toContain('askForUpdate');
    expect(await faults()).toEqual([]);
  });

  it('are asked for by hand, and installed by hand', async () => {
    const { user, fixture } = await open(withUpdates({ source: SOURCE }));
    await user.click(updates().getByRole('button', { name: 'Check now' }));
    expect(fixture.sent).toContain('askForUpdate');
    document.body.replaceChildren();
    const found = await open(withUpdates({ source: SOURCE, state: { type: 'found', version: '2.0.0' } }));
    expect(updates().getByText('Version 2.0.0 is there.')).toBeTruthy();
    await found.user.click(updates().getByRole('button', { name: 'Install it' }));
    expect(found.fixture.sent).toContain('installUpdate');
  });

  it.each([
    [{ updatedBy: 'packageManager' }, 'Your package manager updates Serambi.'],
    [{ updatedBy: 'builder' }, 'This copy came in no package, so it does not update itself.'],
  ] as const)('are somebody else’s: %o', async (change, words) => {
    await open(withUpdates(change));
    expect(updates().getByText(words)).toBeTruthy();
    expect(updates().queryByRole('textbox')).toBeNull();
  });

  const failures = ['unreachable', 'tooSlow', 'tooLarge', 'notSigned', 'otherVersion', 'notForThisSystem', 'notInstalled'] as const;

  it.each(failures)('say why they failed: %s', async (failure) => {
    await open(withUpdates({ source: SOURCE, state: { type: 'failed', failure } }));
    expect(updates().getByRole('status').textContent).toBe(t(`updates.${failure}`));
  });

  it('say that an address is none', async () => {
    const fixture = withUpdates({});
    fixture.refused.setUpdateSource = 'link_wrong';
    const { user } = await open(fixture);
    await user.type(updates().getByLabelText('Update address'), 'https://serambi.example');
    await user.click(updates().getByRole('button', { name: 'Use this address' }));
    await settle();
    expect(updates().getByText('This is not an address with a key.')).toBeTruthy();
  });
});
