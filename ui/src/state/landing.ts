/**
 * Where focus goes when whatever had it is gone: to the screen itself, which is named by its heading, or back to where
 * it was. Not to the heading: Orca 43 says nothing when focus comes to a heading, a group, a paragraph or a list item.
 */
import { tick } from 'svelte';

export function focusIsNowhere(): boolean {
  return document.activeElement === null || document.activeElement === document.body;
}

/** An attachment for the `main` of a screen: it takes focus that the screen before took with it. */
export function landing(screen: HTMLElement): void {
  screen.tabIndex = -1;
  screen.dataset['landing'] = '';
  void land();
}

/** Focuses `wanted`, or the screen; only where focus is nowhere and nothing is being asked. */
export async function land(wanted: Element | null = null): Promise<void> {
  await tick();
  if (!focusIsNowhere() || document.querySelector('dialog[open]')) return;
  const there = wanted instanceof HTMLElement && wanted.isConnected && wanted !== document.body;
  const place = there ? wanted : document.querySelector<HTMLElement>('[data-landing]');
  place?.focus({ preventScroll: true });
}

/** Focus is on the screen itself, so a reader has said its name and description. */
export function hasLanded(): boolean {
  return document.activeElement?.matches('[data-landing]') ?? false;
}
