/** Opens the whole window over a committed state, and says what is wrong for assistive technology. */
import { render, screen } from '@testing-library/svelte';
import userEvent from '@testing-library/user-event';
import axe from 'axe-core';
import { tick } from 'svelte';
import App from '../../src/App.svelte';
import { FixtureBackend, type Fixture } from '../fixtures/backend';
import { evening, windowNamed, type WindowName } from '../fixtures/windows';

export async function openWindow(wanted: WindowName | Fixture) {
  const fixture = new FixtureBackend(typeof wanted === 'string' ? windowNamed(wanted) : wanted);
  const user = userEvent.setup();
  const { container } = render(App, { backend: fixture, windowBackend: fixture, today: evening });
  await settle();
  return { fixture, user, container };
}

/** Lets the answers of the backend and the page's updates through. */
export async function settle(): Promise<void> {
  for (let n = 0; n < 6; n += 1) {
    await Promise.resolve();
    await tick();
  }
}

/** What axe finds; contrast and sizes need a real browser and are looked at there. */
export async function faults(): Promise<string[]> {
  const { violations } = await axe.run(document.body, {
    rules: { 'color-contrast': { enabled: false }, 'target-size': { enabled: false } },
  });
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 160)).join(' | ')}`);
}

/** A dialog has live regions of its own, with the same words. */
const said = (role: string) => screen.getAllByRole(role, { hidden: true })[0]?.textContent.trim() ?? '';
export const polite = () => said('status');
export const urgent = () => said('alert');

/** The description of the screen that focus has come to; a reader says it after the screen's name. */
export function landedOn(): string {
  const described = document.activeElement?.matches('main') ? document.activeElement.getAttribute('aria-describedby') : null;
  return document.getElementById(described ?? '')?.textContent?.trim() ?? '';
}

/** The accessible name of whatever has focus, or its text. */
export function focused(): string {
  const element = document.activeElement;
  return element?.getAttribute('aria-label') ?? element?.textContent?.trim() ?? '';
}
