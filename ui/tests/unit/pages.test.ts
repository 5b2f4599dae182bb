/** Every screen in every state: nothing axe objects to, in every language. */
import { screen } from '@testing-library/svelte';
import { describe, expect, it, vi } from 'vitest';
import { loadAgain } from '../../src/backend/load_again';
import { windowNamed, windowNames, type WindowName } from '../fixtures/windows';
import { resizeTo } from './setup';
import { faults, openWindow, polite, settle } from './window';

// Reading 200 tiles takes axe seconds in jsdom; the browser looks at the crowd.
const looked = windowNames.filter((name) => !['listener in a crowd', 'loading'].includes(name));

describe('axe finds nothing', () => {
  it.each(looked)('in %s', async (name) => {
    await openWindow(name);
    expect(await faults()).toEqual([]);
  });

  it.each(['home', 'host of a lively evening', 'listener whose turn it is'] as WindowName[])('in %s when narrow', async (name) => {
    resizeTo(500, 800);
    await openWindow(name);
    expect(await faults()).toEqual([]);
  });

  it.each(['host of a lively evening', 'listener on a lively evening', 'listener whose turn it is'] as WindowName[])(
    'in %s when mini',
    async (name) => {
      resizeTo(420, 72);
      await openWindow(name);
      expect(await faults()).toEqual([]);
    },
  );
});

describe.each(['en', 'id', 'zh'] as const)('no hole is left in any sentence (%s)', (language) => {
  it.each(looked)('in %s', async (name) => {
    const fixture = windowNamed(name);
    fixture.app.language = language;
    const { container } = await openWindow(fixture);
    expect(container.innerHTML).not.toMatch(/\{\w+\}|undefined|NaN|\[object/);
  });
});

describe('welcome', () => {
  it('asks for a name and a language and nothing else', async () => {
    const welcome = windowNamed('welcome');
    welcome.app.language = null;
    const { user, fixture } = await openWindow(welcome);
    expect(screen.getAllByRole('textbox')).toHaveLength(1);
    expect(screen.getAllByRole('button')).toHaveLength(1);
    expect(screen.getByRole('group', { name: 'Language' })).toBeTruthy();
    expect(screen.getByText(/^Drop-in voice rooms on your own computer/)).toBeTruthy();
    await user.type(screen.getByLabelText('What is your name?'), 'Ratna{Enter}');
    await settle();
    expect(screen.getByRole('heading', { level: 1 }).textContent).toBe('Good evening, Ratna');
    expect(fixture.fixture.app).toMatchObject({ name: 'Ratna', language: 'en' });
  });

  it('explains an empty name', async () => {
    const welcome = windowNamed('welcome');
    welcome.refused.setName = 'name_empty';
    const { user } = await openWindow(welcome);
    await user.click(screen.getByRole('button', { name: 'Continue' }));
    await settle();
    expect(screen.getByRole('textbox').getAttribute('aria-invalid')).toBe('true');
    expect(screen.getByText(/A name is needed/, { selector: '.wrong' })).toBeTruthy();
  });

  it('changes its language at once', async () => {
    const { user } = await openWindow('welcome');
    await user.click(screen.getByRole('radio', { name: '简体中文' }));
    await settle();
    expect(screen.getByRole('heading', { level: 1 }).textContent).toBe('怎么称呼你？');
    expect(document.documentElement.lang).toBe('zh-CN');
  });
});

describe('waiting', () => {
  it('shows nothing for 300 ms and then the final shape', async () => {
    vi.useFakeTimers();
    void openWindow('loading');
    await vi.advanceTimersByTimeAsync(290);
    expect(screen.queryByLabelText('One moment…')).toBeNull();
    await vi.advanceTimersByTimeAsync(20);
    expect(screen.getByLabelText('One moment…')).toBeTruthy();
  });

  it('explains an app that cannot open', async () => {
    await openWindow('broken');
    expect(screen.getByRole('heading', { level: 1 }).textContent).toBe('Serambi could not open');
    expect(screen.getByRole('button', { name: 'Try again' })).toBeTruthy();
  });
});

describe('a house that does not answer', () => {
  it('is asked again by itself, and opens when it does', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const { fixture } = await openWindow({ ...windowNamed('home'), refused: { openApp: 'house_unreachable' } });
    expect(screen.getByRole('heading', { level: 1 }).textContent).toBe('Serambi could not open');
    const opened = vi.spyOn(fixture, 'openApp');
    await vi.advanceTimersByTimeAsync(2_100);
    expect(opened).toHaveBeenCalledOnce();
    expect(screen.getByRole('heading', { level: 1 }).textContent).toBe('Serambi could not open');
    fixture.fixture.refused = {};
    await vi.advanceTimersByTimeAsync(2_100);
    expect(screen.queryByText('Serambi could not open')).toBeNull();
  });
});

describe('a part of the page', () => {
  it('is loaded once more when the network changed meanwhile', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const load = vi.fn<() => Promise<string>>().mockRejectedValueOnce(new TypeError('network changed')).mockResolvedValue('here');
    const loaded = loadAgain(load);
    await vi.advanceTimersByTimeAsync(300);
    expect(await loaded).toBe('here');
    expect(load).toHaveBeenCalledTimes(2);
  });

  it('that never comes is an error in the end', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const loaded = loadAgain(() => Promise.reject(new TypeError('gone')));
    const failed = expect(loaded).rejects.toThrow('gone');
    await vi.advanceTimersByTimeAsync(10_000);
    await failed;
  });
});

describe('home', () => {
  it('has one friendly sentence and the two ways in when nobody is there', async () => {
    await openWindow('home empty');
    expect(screen.getByText(/It's quiet on this network/)).toBeTruthy();
    expect(screen.getByRole('button', { name: 'Start a room' })).toBeTruthy();
    expect(screen.getByRole('textbox', { name: 'Paste a link to join' })).toBeTruthy();
  });

  it('shows before joining: title, names on stage, how many', async () => {
    await openWindow('home');
    const card = screen.getByRole('button', { name: /Evening on the porch/ });
    expect(card.textContent).toContain('Rani, Bagus, Mei and Theo');
    expect(card.textContent).toContain('4 on stage');
    expect(card.textContent).toContain('58 listening');
  });

  it('joins with one press', async () => {
    const { user, fixture } = await openWindow('home');
    await user.click(screen.getByRole('button', { name: /Evening on the porch/ }));
    expect(fixture.sent).toEqual(['joinRoom']);
  });

  it('keeps a wrong link where it was typed and says what is wrong', async () => {
    const home = windowNamed('home');
    home.refused.joinLink = 'link_wrong';
    const { user } = await openWindow(home);
    const field = screen.getByRole('textbox', { name: 'Paste a link to join' });
    await user.type(field, 'hello{Enter}');
    await settle();
    expect(screen.getByText(/That is not a Serambi link/, { selector: '.wrong' })).toBeTruthy();
    expect((field as HTMLInputElement).value).toBe('hello');
    expect(field.isConnected).toBe(true);
  });

  it('never joins an opened link without a press', async () => {
    const { user, fixture } = await openWindow('opened link');
    const dialog = screen.getByRole('dialog', { name: 'Join this room?' });
    expect(dialog.textContent).toContain('Kelas Bahasa Inggris untuk pemula');
    expect(fixture.sent).toEqual(['lookAtLink']);
    await user.click(screen.getAllByRole('button', { name: 'Join' }).at(-1) as HTMLElement);
    await settle();
    expect(fixture.sent).toEqual(['lookAtLink', 'joinLink']);
    expect(screen.queryByRole('dialog')).toBeNull();
  });

  it('makes a keeper by a link, after a press', async () => {
    const { user, fixture } = await openWindow("opened keeper's link");
    const dialog = screen.getByRole('dialog', { name: 'Keep this house' });
    expect(dialog.textContent).toContain('This link makes you a keeper');
    await user.click(screen.getByRole('button', { name: 'Keep this house' }));
    await settle();
    expect(fixture.sent).toEqual(['lookAtLink', 'keepHouse']);
    expect(polite()).toBe('You keep this house now.');
  });

  it('explains a link whose room has gone', async () => {
    await openWindow('opened stale link');
    const dialog = screen.getByRole('dialog', { name: "This link can't be opened" });
    expect(dialog.textContent).toContain('This house has no such room');
  });

  it('adds and forgets a house', async () => {
    const { user, fixture } = await openWindow('home');
    await user.click(screen.getByRole('button', { name: 'Add a house' }));
    const link = `serambi://192.0.2.1:7410/?pin=${'x'.repeat(43)}`;
    await user.type(screen.getByRole('textbox', { name: 'Link to the house' }), `${link}{Enter}`);
    await settle();
    await user.click(screen.getByRole('button', { name: /Perkumpulan Arsitek/ }));
    await user.click(screen.getByRole('button', { name: 'Forget this house' }));
    expect(fixture.sent).toEqual(['saveHouse', 'forgetHouse']);
  });

  it('copies the diagnostics for a bug report', async () => {
    const { user } = await openWindow('home');
    await user.click(screen.getByRole('button', { name: /settings/i }));
    await user.click(screen.getByRole('button', { name: 'Copy diagnostics' }));
    await settle();
    expect(await navigator.clipboard.readText()).toContain('Serambi 0.1.0');
    expect(polite()).toContain('Copied: versions, devices and the log');
  });

  it('shows the diagnostics where the clipboard is closed to the page', async () => {
    const { user } = await openWindow('home');
    vi.spyOn(navigator.clipboard, 'writeText').mockRejectedValue(new Error('not allowed'));
    await user.click(screen.getByRole('button', { name: /settings/i }));
    await user.click(screen.getByRole('button', { name: 'Copy diagnostics' }));
    await settle();
    const shown = screen.getByRole('textbox', { name: /could not be copied/ });
    expect((shown as HTMLTextAreaElement).value).toContain('Serambi 0.1.0');
    expect(await faults()).toEqual([]);
  });

  it('takes its theme from the setting', async () => {
    const { user } = await openWindow('home');
    await user.click(screen.getByRole('button', { name: /settings/i }));
    await user.click(screen.getByRole('radio', { name: 'Dark' }));
    await settle();
    expect(document.documentElement.dataset['theme']).toBe('dark');
  });
});
