/** Where focus goes when whatever had it is gone: to the heading with which the screen begins, or back to where it was. */
import { tick } from 'svelte';

export function focusIsNowhere(): boolean {
  return document.activeElement === null || document.activeElement === document.body;
}

/** An attachment for the heading of a screen: it takes focus that the screen before took with it. */
export function landing(heading: HTMLElement): void {
  heading.tabIndex = -1;
  heading.dataset['landing'] = '';
  void land();
}

/** Focuses `wanted`, or the heading of the screen; only where focus is nowhere and nothing is being asked. */
export async function land(wanted: Element | null = null): Promise<void> {
  await tick();
  if (!focusIsNowhere() || document.querySelector('dialog[open]')) return;
  const there = wanted instanceof HTMLElement && wanted.isConnected && wanted !== document.body;
  const place = there ? wanted : document.querySelector<HTMLElement>('[data-landing]');
  place?.focus({ preventScroll: true });
}
