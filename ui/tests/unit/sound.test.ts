/** What a person sees and does about their sound. */
import { render, screen, within } from '@testing-library/svelte';
import { describe, expect, it, vi } from 'vitest';
import DelayFigure from '../../src/parts/DelayFigure.svelte';
import ReceivedLine from '../../src/parts/ReceivedLine.svelte';
import { carriedOn } from '../../src/state/delays';
import { SoundCheck } from '../../src/state/sound_check.svelte';
import { newestOnly, stepped } from '../../src/state/voices';
import { FixtureBackend } from '../fixtures/backend';
import { builtIn, headset, idOf, studio, usualDevices, windowNamed, type WindowName } from '../fixtures/windows';
import { faults, focused, openWindow, polite, settle, urgent } from './window';

const dialog = (name: string) => within(screen.getByRole('dialog', { name }));
const field = (name: string) => dialog('Sound').getByLabelText<HTMLSelectElement>(name);
const offered = (name: string) => [...field(name).options].map(({ text }) => text);

describe('sound settings', () => {
  it.each(['home', 'listener on a lively evening', 'host of a lively evening'] as const)('open with S and with a button (%s)', async (scenario) => {
    const { user } = await openWindow(scenario);
    await user.keyboard('s');
    await settle();
    expect(screen.getByRole('dialog', { name: 'Sound' })).toBeTruthy();
    await user.click(dialog('Sound').getByRole('button', { name: 'Close' }));
    await settle();
    await user.click(screen.getByRole('button', { name: 'Sound' }));
    await settle();
    expect(screen.getByRole('dialog', { name: 'Sound' })).toBeTruthy();
    expect(await faults()).toEqual([]);
  });

  it('do not open while somebody types an s', async () => {
    const { user } = await openWindow('home');
    await user.type(screen.getByPlaceholderText('Paste a link to join'), 'serambi');
    await settle();
    expect(screen.queryByRole('dialog')).toBeNull();
  });

  it('follow the system, which is named, or a device by name', async () => {
    const { user, fixture } = await openWindow('home');
    await user.keyboard('s');
    await settle();
    expect(offered('Microphone')).toEqual(['Follow the system (Built-in Microphone)', 'Built-in Microphone', 'Jabra Evolve 65']);
    expect(field('Speakers (output device)').selectedOptions[0]?.text).toBe('Follow the system (Built-in Speakers)');
    await user.selectOptions(field('Microphone'), 'Jabra Evolve 65');
    await settle();
    expect(fixture.fixture.app.sound.microphone).toEqual({ type: 'named', device: { id: headset.id, name: headset.name } });
    await user.selectOptions(field('Microphone'), 'Follow the system (Built-in Microphone)');
    await settle();
    expect(fixture.fixture.app.sound.microphone).toEqual({ type: 'system' });
  });

  it('show a chosen device that is missing as such, until it is back', async () => {
    const { user, fixture } = await openWindow('sound missing');
    await user.keyboard('s');
    await settle();
    expect(field('Microphone').selectedOptions[0]?.text).toBe('Scarlett 2i2 USB (not connected)');
    expect(screen.getByText(/Scarlett 2i2 USB is not connected\. The system's device is used/)).toBeTruthy();
    expect(field('Speakers (output device)').selectedOptions[0]?.text).toBe('heard.wav (from the command line)');
    fixture.fixture.devices = { ...usualDevices, microphones: [builtIn, { ...studio, isDefault: false }] };
    await vi.waitFor(() => expect(field('Microphone').selectedOptions[0]?.text).toBe('Scarlett 2i2 USB'), 5_000);
    expect(screen.queryByText(/not connected/)).toBeNull();
  });

  it('say when there is no device, and when the system does not answer', async () => {
    const { user } = await openWindow('no sound devices');
    await user.keyboard('s');
    await settle();
    expect(field('Microphone').getAttribute('aria-describedby')).toBeTruthy();
    expect(screen.getByText(/No microphone is connected/)).toBeTruthy();
    expect(screen.getByText(/No speakers or headphones are connected/)).toBeTruthy();
    document.body.replaceChildren();
    const silent = await openWindow('silent sound system');
    await silent.user.keyboard('s');
    await settle();
    expect(screen.getByText(/The system's sound does not answer/)).toBeTruthy();
    expect(offered('Microphone')).toEqual(['Follow the system']);
  });

  it('choose what is done to the voice, with what it means', async () => {
    const { user, fixture } = await openWindow('speaker on a lively evening');
    await user.keyboard('s');
    await settle();
    await user.click(screen.getByRole('radio', { name: 'Music' }));
    await user.click(screen.getByRole('radio', { name: 'Off' }));
    await settle();
    expect(fixture.fixture.app.sound).toMatchObject({ mode: 'music', echo: 'off' });
    const group = screen.getByRole('group', { name: 'Microphone mode' });
    expect(document.getElementById(group.getAttribute('aria-describedby') ?? '')?.textContent).toContain('Wear headphones');
  });
});

describe('the sound check', () => {
  async function opened(name: WindowName) {
    const opened = await openWindow(name);
    await opened.user.keyboard('s');
    await settle();
    return opened;
  }

  it('opens the microphone only when asked, and closes it with the dialog', async () => {
    const { user, fixture } = await opened('home');
    expect(fixture.checksSound).toBe(false);
    expect(screen.getByText('Nothing is sent: only you hear this.')).toBeTruthy();
    await user.click(screen.getByRole('button', { name: 'Check your sound' }));
    await settle();
    expect(fixture.checksSound).toBe(true);
    expect(focused()).toBe('Record 5 seconds');
    expect(polite()).toContain('Your microphone is open.');
    await user.click(dialog('Sound').getByRole('button', { name: 'Close' }));
    await settle();
    expect(fixture.checksSound).toBe(false);
  });

  it('records, plays back and says in words what was heard', async () => {
    const { user, fixture } = await opened('home');
    await user.click(screen.getByRole('button', { name: 'Check your sound' }));
    await settle();
    await user.keyboard('{Enter}');
    await settle();
    expect(fixture.sent).toEqual(['openSoundCheck', 'recordSoundCheck', 'playSoundCheck']);
    expect(screen.getByText('You sound good.')).toBeTruthy();
    expect(screen.getByText('This is how others hear you.')).toBeTruthy();
    expect(urgent()).toBe('You sound good. Clear and loud enough. Come on stage as you are.');
    expect(focused()).toBe('Play it again');
    await user.keyboard('{Enter}');
    await settle();
    expect(fixture.sent).toHaveLength(4);
    expect(await faults()).toEqual([]);
    await user.click(screen.getByRole('button', { name: 'Close the microphone' }));
    await settle();
    expect(fixture.checksSound).toBe(false);
    expect(focused()).toBe('Check your sound');
  });

  it('counts down while it records', async () => {
    vi.useFakeTimers();
    const fixture = new FixtureBackend(windowNamed('home'));
    fixture.recordMs = 5_000;
    const check = new SoundCheck(fixture);
    await check.open();
    const recorded = check.record();
    expect(check.stage).toEqual({ is: 'recording', secondsLeft: 5 });
    await vi.advanceTimersByTimeAsync(3_100);
    expect(check.stage).toEqual({ is: 'recording', secondsLeft: 2 });
    await vi.advanceTimersByTimeAsync(2_000);
    expect(await recorded).toBe('fine');
    expect(check.playing).toBe(true);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(check.playing).toBe(false);
    check.close();
  });

  it('that is closed while it records ends at once, and a late answer opens nothing', async () => {
    const fixture = new FixtureBackend(windowNamed('home'));
    const check = new SoundCheck(fixture);
    await check.open();
    const recorded = check.record();
    check.close();
    expect(await recorded).toBeNull();
    expect(check.stage).toEqual({ is: 'closed' });
    expect(fixture.checksSound).toBe(false);
  });

  it.each([
    ['sound noisy', 'Use strong noise removal', { mode: 'strongNoiseRemoval' }],
    ['sound echo', 'Cancel the echo', { echo: 'on' }],
  ] as const)('offers what helps (%s)', async (scenario, remedy, setting) => {
    const { user, fixture } = await opened(scenario);
    await user.click(screen.getByRole('button', { name: 'Check your sound' }));
    await settle();
    await user.keyboard('{Enter}');
    await settle();
    await user.click(screen.getByRole('button', { name: remedy }));
    await settle();
    expect(fixture.fixture.app.sound).toMatchObject(setting);
    expect(screen.queryByRole('button', { name: remedy })).toBeNull();
  });

  it('explains a microphone that does not open, and tries again', async () => {
    const { user } = await opened('sound check refused');
    await user.click(screen.getByRole('button', { name: 'Check your sound' }));
    await settle();
    expect(urgent()).toContain('privacy settings');
    expect(focused()).toBe('Try again');
  });

  it('says to whoever is on stage that they are muted meanwhile', async () => {
    await opened('host of a lively evening');
    expect(screen.getByText('Nothing is sent: you are muted during the check and stay muted after it.')).toBeTruthy();
  });

  it('ends with the room', async () => {
    const { user, fixture } = await opened('listener on a lively evening');
    await user.click(screen.getByRole('button', { name: 'Check your sound' }));
    await settle();
    expect(fixture.checksSound).toBe(true);
    fixture.update({ type: 'none' });
    await settle();
    expect(fixture.checksSound).toBe(false);
    expect(screen.getByRole('button', { name: 'Check your sound' })).toBeTruthy();
  });

  it('stands before the stage: from the invitation to the check to the stage', async () => {
    const { user, fixture } = await openWindow('listener whose turn it is');
    await user.click(screen.getByRole('button', { name: 'Sound check' }));
    await settle();
    expect(focused()).toBe('Check your sound');
    await user.keyboard('{Enter}');
    await settle();
    await user.click(dialog('Sound check').getByRole('button', { name: 'Join the stage' }));
    await settle();
    expect(fixture.checksSound).toBe(false);
    expect(fixture.sent).toEqual(['openSoundCheck', 'acceptInvitation']);
  });

  it('stands before a room of one’s own, and the title is not lost', async () => {
    const { user } = await openWindow('home empty');
    await user.click(screen.getByRole('button', { name: 'Start a room' }));
    await settle();
    await user.clear(screen.getByLabelText('Title'));
    await user.type(screen.getByLabelText('Title'), 'Tea');
    await user.click(screen.getByRole('button', { name: 'Hear yourself before others do' }));
    await settle();
    await user.click(dialog('Sound check').getByRole('button', { name: 'Close' }));
    await settle();
    expect(screen.getByLabelText<HTMLInputElement>('Title').value).toBe('Tea');
  });
});

describe('somebody’s voice, for me alone', () => {
  const tile = (name: RegExp) => screen.getByRole('button', { name });

  it('has a slider and a mute in their menu; nothing is asked of the house', async () => {
    const { user, fixture } = await openWindow('listener on a lively evening');
    await user.click(tile(/^Bagus Pratama, moderator/));
    await settle();
    const slider = screen.getByRole<HTMLInputElement>('slider', { name: 'Volume of Bagus Pratama, only for you' });
    expect(document.activeElement).toBe(slider);
    expect([slider.min, slider.max, slider.getAttribute('aria-valuetext')]).toEqual(['0', '200', '100 %']);
    slider.value = '150';
    slider.dispatchEvent(new Event('input', { bubbles: true }));
    await settle();
    expect(fixture.fixture.app.sound.voices).toEqual([[idOf('Bagus Pratama'), { volumePercent: 150, muted: false }]]);
    expect(slider.getAttribute('aria-valuetext')).toBe('150 %');
    await user.keyboard('{ArrowDown}{Enter}');
    await settle();
    expect(fixture.fixture.app.sound.voices).toEqual([[idOf('Bagus Pratama'), { volumePercent: 150, muted: true }]]);
    expect(urgent()).toBe('Bagus Pratama is muted for you.');
    expect(focused()).toBe('Unmute for me');
    expect(fixture.sent).toEqual([]);
    expect(await faults()).toEqual([]);
  });

  it('is operated on the tile with + and -, and V', async () => {
    const { user, fixture } = await openWindow('host of a lively evening');
    tile(/^Bagus Pratama/).focus();
    await user.keyboard('+');
    await settle();
    expect(urgent()).toBe('Bagus Pratama: 110 %');
    await user.keyboard('--');
    await settle();
    expect(tile(/^Bagus Pratama, moderator, unmuted, volume 90 % for you$/)).toBeTruthy();
    await user.keyboard('v');
    await settle();
    expect(tile(/^Bagus Pratama, moderator, unmuted, muted for you$/)).toBeTruthy();
    await user.keyboard('v');
    await settle();
    expect(urgent()).toBe('You hear Bagus Pratama again.');
    expect(fixture.fixture.app.sound.voices).toEqual([[idOf('Bagus Pratama'), { volumePercent: 90, muted: false }]]);
  });

  it('is not offered for oneself or for who only listens', async () => {
    const { user, fixture } = await openWindow('host of a lively evening');
    tile(/^Ratna Wijaya, you/).focus();
    await user.keyboard('+v');
    await settle();
    expect(fixture.fixture.app.sound.voices).toEqual([]);
    for (const name of [/^Ratna Wijaya, you/, /^Ivy Chen, listener/]) {
      await user.click(tile(name));
      await settle();
      expect(screen.queryByRole('slider')).toBeNull();
      await user.keyboard('{Escape}');
      await settle();
    }
  });

  it('that is remembered is shown when the person is there again', async () => {
    await openWindow('remembered voices');
    expect(tile(/^Mei Lin, speaker, muted, muted for you$/)).toBeTruthy();
    expect(tile(/^Bagus Pratama, moderator, unmuted, volume 150 % for you$/)).toBeTruthy();
  });

  it('goes from 0 to 200, and is heard again by being made louder', () => {
    expect(stepped({ volumePercent: 195, muted: false }, 1).volumePercent).toBe(200);
    expect(stepped({ volumePercent: 5, muted: false }, -1).volumePercent).toBe(0);
    expect(stepped({ volumePercent: 50, muted: true }, 1)).toEqual({ volumePercent: 60, muted: false });
    expect(stepped({ volumePercent: 50, muted: true }, -1)).toEqual({ volumePercent: 40, muted: true });
  });

  it('sends the newest place of the slider only', async () => {
    const sent: number[] = [];
    let answer: () => void = () => {};
    const send = newestOnly((value: number) => {
      sent.push(value);
      return new Promise<void>((done) => (answer = done));
    });
    void send(1);
    void send(2);
    const last = send(3);
    answer();
    await settle();
    expect(sent).toEqual([1, 3]);
    answer();
    await last;
    void send(4);
    expect(sent).toEqual([1, 3, 4]);
  });
});

describe('notices about sound', () => {
  it('are quiet words: talk while muted, with the key', async () => {
    const { fixture } = await openWindow('speaker on a lively evening');
    fixture.events?.soundNoticed({ type: 'talkingWhileMuted' });
    await settle();
    expect(polite()).toBe("You're muted, so nobody hears you. Press M to unmute.");
    expect(urgent()).toBe('');
    expect(screen.getAllByText(/nobody hears you/).length).toBe(2);
  });

  it('say where the sound went', async () => {
    const { fixture } = await openWindow('speaker on a lively evening');
    fixture.events?.soundNoticed({ type: 'loudspeakerMoved', device: 'WH-1000XM4' });
    await settle();
    expect(polite()).toBe('You now hear through WH-1000XM4.');
  });

  it('are heard in a dialog too, and what was said before it is not said again', async () => {
    const { user, fixture } = await openWindow('speaker on a lively evening');
    fixture.events?.soundNoticed({ type: 'microphoneMoved', device: 'Jabra' });
    await settle();
    await user.keyboard('s');
    await settle();
    const inside = () => dialog('Sound').getByRole('status').textContent.trim();
    expect(inside()).toBe('');
    await vi.waitFor(() => {
      fixture.events?.soundNoticed({ type: 'loudspeakerMoved', device: 'WH-1000XM4' });
      expect(inside()).toBe('You now hear through WH-1000XM4.');
    }, 4_000);
  });
});

describe('the delay of a voice', () => {
  it('is one figure for each person who can be heard', async () => {
    await openWindow('listener on a lively evening');
    const figures = screen.getAllByRole('button', { name: /^Delay of/ }).map((figure) => figure.getAttribute('aria-label'));
    expect(figures).toEqual(['Delay of Ratna Wijaya: 44 ms', 'Delay of Bagus Pratama: 61 ms']);
    expect(screen.queryByRole('button', { name: 'Delay of Arif Nugroho' })).toBeNull();
    expect(await faults()).toEqual([]);
  });

  it('comes apart in words on request', async () => {
    const { user } = await openWindow('listener on a lively evening');
    screen.getByRole('button', { name: 'Delay of Ratna Wijaya: 44 ms' }).focus();
    await user.keyboard('{Enter}');
    await settle();
    const parts = dialog("From Ratna Wijaya's mouth to your ear");
    expect(parts.getAllByRole('term').map(({ textContent }) => textContent)).toEqual([
      'Their microphone', 'Their link up', 'The house', 'Your link down', 'Your buffer', 'Your speakers',
    ]); // prettier-ignore
    expect(parts.getAllByRole('definition').map(({ textContent }) => textContent)).toEqual([
      '12 ms', '3 ms', '1 ms', '2 ms', '14 ms', '12 ms',
    ]); // prettier-ignore
    await user.keyboard('{Escape}');
    await settle();
    expect(focused()).toBe('Delay of Ratna Wijaya: 44 ms');
  });

  it('has one part for a path whose links cannot be told apart', async () => {
    const { user } = await openWindow('listener on a lively evening');
    await user.click(screen.getByRole('button', { name: 'Delay of Bagus Pratama: 61 ms' }));
    await settle();
    expect(screen.getAllByRole('term').map(({ textContent }) => textContent)).toEqual([
      'Their microphone', 'The network between', 'Your buffer', 'Your speakers',
    ]); // prettier-ignore
  });

  it('stays through a pause and goes with the microphone', () => {
    const person = (id: string, muted: boolean) => ({ id, name: id, role: 'speaker' as const, muted, rank: 0, connection: 'good' as const });
    const parts = { microphoneMs: 10, networkMs: 10, network: null, bufferMs: 10, loudspeakerMs: 10 };
    const [a, b] = [{ person: 'a', totalMs: 40, parts }, { person: 'b', totalMs: 40, parts }]; // prettier-ignore
    const first = carriedOn(new Map(), [a, b], [person('a', false), person('b', false)]);
    const pause = carriedOn(first, [{ ...b, totalMs: 41 }], [person('a', false), person('b', false)]);
    expect([pause.get('a')?.totalMs, pause.get('b')?.totalMs]).toEqual([40, 41]);
    expect([...carriedOn(pause, [], [person('a', true), person('b', false)]).keys()]).toEqual(['b']);
    expect(carriedOn(pause, [], []).size).toBe(0);
  });

  it('says in a word when it hurts', () => {
    const parts = { microphoneMs: 24, networkMs: 145, network: null, bufferMs: 20, loudspeakerMs: 12 };
    render(DelayFigure, { name: 'Theo', delay: { person: 'theo', totalMs: 201, parts } });
    render(DelayFigure, { name: 'Mei', delay: { person: 'mei', totalMs: 200, parts } });
    expect(screen.getByRole('button', { name: 'Delay of Theo: 201 ms, late' }).textContent?.trim()).toBe('201 ms · late');
    expect(screen.getByRole('button', { name: 'Delay of Mei: 200 ms' })).toBeTruthy();
  });
});

describe('how the own voice arrives', () => {
  it('is said on the own tile, with those who are missing', async () => {
    const { fixture } = await openWindow('host of a lively evening');
    expect(screen.getByText('reaches 21 of 22')).toBeTruthy();
    fixture.events?.callMeasured({ delays: [], voiceReceived: null, clockErrorMs: null });
    await settle();
    expect(screen.queryByText(/^reaches/)).toBeNull();
  });

  it('is one sentence when nobody is missing', () => {
    render(ReceivedLine, { received: { by: 1, of: 1 } });
    render(ReceivedLine, { received: { by: 58, of: 58 } });
    expect(screen.getByText('reaches 1 person')).toBeTruthy();
    expect(screen.getByText('reaches 58 people')).toBeTruthy();
  });
});
