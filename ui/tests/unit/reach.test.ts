/** The settings section that says who can reach the own house, and what is done about it there. */
import { screen, within } from '@testing-library/svelte';
import { describe, expect, it } from 'vitest';
import type { ReachView, TestResult } from '../../src/backend/backend';
import { reachReason, testedWords } from '../../src/state/reach';
import { NO_REACH } from '../../src/backend/browser_window';
import { atHome, mapped, throughGate, windowNamed, type WindowName } from '../fixtures/windows';
import { faults, openWindow, settle, urgent } from './window';

const section = () => within(screen.getByRole('region', { name: 'Reach me from anywhere' }));
const state = () => section().getAllByRole('status')[0]?.textContent ?? '';
const steps = () => section().queryAllByRole('listitem').map((item) => item.querySelector('strong')?.textContent ?? '').filter(Boolean);

async function openSettings(wanted: WindowName | Partial<ReachView>, refused: ReturnType<typeof windowNamed>['refused'] = {}) {
  const fixture = windowNamed(typeof wanted === 'string' ? wanted : 'home');
  if (typeof wanted !== 'string') fixture.app.reach = { ...NO_REACH, ...wanted };
  fixture.refused = refused;
  const opened = await openWindow(fixture);
  await opened.user.click(screen.getByRole('button', { name: /settings$/i }));
  await settle();
  return opened;
}

describe('the state', () => {
  it.each([
    ['home', 'Nobody can reach you yet', 'Your house opens with your first room.'],
    ['reach: no network', 'This computer has no network', 'Connect to a network.'],
    ['reach: this network', 'Only this network can reach you', 'Nobody passes your house on'],
    ['reach: router refused', 'Only this network can reach you', 'Your router was asked to let people in and does not.'],
    ['reach: gate refused', 'Only this network can reach you', 'The gate does not let your house in.'],
    ['reach: gate', 'People anywhere can reach you, through a gate', 'gate.serambi.example:7410 passes the sound on'],
    ['reach: everywhere', 'People anywhere can reach you', 'Your router lets them in, at 203.0.113.7:42117.'],
    ['reach: everywhere', 'People anywhere can reach you', 'Nobody has tested 203.0.113.7:42117 from outside. A gate does.'],
    ['reach: tested', 'People anywhere can reach you', 'Tested from outside: 203.0.113.7:42117 answered after 42 ms.'],
    ['reach: shut', 'People anywhere can reach you, through a gate', 'rooms.example.org:7410 does not lead to you. Nobody answers there.'],
  ] as const)('of “%s” is one sentence and why', async (window, sentence, why) => {
    await openSettings(window);
    expect(state()).toContain(sentence);
    expect(state()).toContain(why);
    expect(await faults()).toEqual([]);
  });

  it.each([
    [{ ...atHome, router: { type: 'asking' } }, /has not answered yet/],
    [{ ...atHome, gates: [{ address: 'g.example:1', standing: { type: 'waiting' } }] }, /^The gate g\.example:1 has not answered yet\.$/],
    [{ ...atHome, gates: [{ address: 'g', standing: { type: 'failed', code: 'gate_unreachable' } }] }, /^The gate does not answer\./],
    [{ ...atHome, gates: [{ address: 'g', standing: { type: 'failed', code: 'gate_not_the_one' } }] }, /^Another computer answers/],
    [{ ...mapped, router: { type: 'notAsked' }, outside: 'rooms.example.org' }, /at rooms\.example\.org, as you said\.$/],
    [{ ...mapped, router: { type: 'notAsked' } }, /address of its own/],
  ] as [ReachView, RegExp][])('has a reason for each way (%#)', (view, words) => expect(reachReason(view)).toMatch(words));

  it.each([
    [{ type: 'answered', ms: 9, datagrams: false }, /^Tested from outside: g:1 answered after 9 ms, but its UDP port did not\./],
    [{ type: 'failed', code: 'outside_not_the_one' }, /^Tested from outside: g:1 does not lead to you\. Another computer answers there\./],
    [{ type: 'notTested', code: 'outside_elsewhere' }, /^g:1 is not tested\. The gate sees your house at another address\.$/],
  ] as [TestResult, RegExp][])('of an address outside is what a gate said of it (%#)', (result, words) =>
    expect(testedWords({ ...mapped, tested: { address: 'g:1', result } })).toMatch(words),
  );

  it('changes while it is looked at, and is spoken', async () => {
    const { fixture } = await openSettings('reach: this network');
    fixture.changeApp({ reach: throughGate });
    await settle();
    expect(state()).toContain('through a gate');
    expect(section().getAllByRole('status')[0]?.getAttribute('role')).toBe('status');
    expect(steps()).toEqual([]);
  });
});

describe('what to do', () => {
  it('is said easiest first, with the ports and where they lead', async () => {
    await openSettings('reach: this network');
    expect(steps()).toEqual(['Go through a gate', 'Ask your router', 'Start it in Rust Jakarta', 'Open the door in your router']);
    expect(section().getByText(/^TCP port 7410 and UDP port 7411, to 192\.168\.1\.20\./)).toBeTruthy();
  });

  it('leaves out what was tried already', async () => {
    await openSettings('reach: router refused');
    expect(steps()).toEqual(['Go through a gate', 'Start it in Rust Jakarta', 'Open the door in your router']);
  });
});

describe('a gate', () => {
  const LINK = 'serambi://gate.example:7410/gate?token=aB3-_x';

  it('is used by its link, which is not shown to anybody', async () => {
    const { user, fixture, container } = await openSettings('reach: this network');
    const field = section().getByLabelText<HTMLInputElement>('Link of a gate');
    expect(field.type).toBe('password');
    await user.type(field, `${LINK}{Enter}`);
    await settle();
    expect(fixture.sent).toEqual(['setGate']);
    expect(field.value).toBe('');
    expect(section().getByText('gate.example:7410: waiting for an answer.')).toBeTruthy();
    expect(container.innerHTML).not.toContain('aB3-_x');
    expect(screen.getByRole('dialog', { name: 'Settings' })).toBeTruthy();
  });

  it('is not used any more at a press', async () => {
    const { user, fixture } = await openSettings('reach: gate');
    expect(section().getByText('gate.serambi.example:7410: connected.')).toBeTruthy();
    await user.click(section().getByRole('button', { name: 'Stop using it' }));
    await settle();
    expect(fixture.fixture.app.reach.gates).toEqual([]);
  });

  it('that is none is said where it was written, and the link stays to be looked at again', async () => {
    const { user } = await openSettings('reach: this network', { setGate: 'link_wrong' });
    await user.type(section().getByLabelText('Link of a gate'), 'serambi://192.0.2.1:7410?pin=x');
    await user.click(section().getByRole('button', { name: 'Use this gate' }));
    await settle();
    const field = section().getByLabelText<HTMLInputElement>('Link of a gate');
    expect(field.getAttribute('aria-invalid')).toBe('true');
    expect(document.getElementById(field.getAttribute('aria-describedby') ?? '')?.textContent).toMatch(/^That is not the link of a gate/);
    expect(urgent()).toMatch(/^That is not the link of a gate/);
    expect(field.value).not.toBe('');
  });

  it('waits for the house to open', async () => {
    await openSettings({ gates: [{ address: 'gate.example:7410', standing: { type: 'waiting' } }] });
    expect(section().getByText('gate.example:7410: used once your house is open.')).toBeTruthy();
  });

  it('of the command line is shown and cannot be changed here', async () => {
    await openSettings('reach: given');
    expect(section().queryByLabelText('Link of a gate')).toBeNull();
    expect(section().queryByRole('button', { name: 'Stop using it' })).toBeNull();
    expect(section().getByLabelText<HTMLInputElement>('Address outside').readOnly).toBe(true);
    expect(section().getAllByText(/^Given on the command line/)).toHaveLength(2);
  });
});

describe('the router and the address outside', () => {
  it('are not asked and not set unless chosen, and take effect at the next start of an open house', async () => {
    const { user, fixture } = await openSettings('reach: this network');
    const tick = section().getByRole<HTMLInputElement>('checkbox', { name: 'Ask my router to pass the ports on' });
    expect(tick.checked).toBe(false);
    expect(section().queryByText(/take effect when Serambi starts next/)).toBeNull();
    await user.click(tick);
    await settle();
    expect(fixture.fixture.app.reach.askRouter).toBe(true);
    expect(section().getByText(/take effect when Serambi starts next/)).toBeTruthy();
  });

  it('an address is kept at a press, and one that is none is said', async () => {
    const { user, fixture } = await openSettings('home');
    const use = section().getByRole('button', { name: 'Use this address outside' });
    expect(use.getAttribute('aria-disabled')).toBe('true');
    await user.click(use);
    expect(fixture.sent).toEqual([]);
    await user.type(section().getByLabelText('Address outside'), 'rooms.example.org');
    await user.click(use);
    await settle();
    expect(fixture.fixture.app.reach.outside).toBe('rooms.example.org');
    fixture.fixture.refused.setOutsideAddress = 'link_wrong';
    await user.type(section().getByLabelText('Address outside'), ' x{Enter}');
    await settle();
    expect(urgent()).toMatch(/^That is not an address/);
  });
});
