/** What jsdom lacks and the pages use. */
import { cleanup } from '@testing-library/svelte';
import { afterEach, beforeEach, vi } from 'vitest';
import { speak } from '../../src/words/words.svelte';

const view = { width: 1180, height: 800 };

/** The window as the media queries of the pages see it. */
export function resizeTo(width: number, height: number): void {
  Object.assign(view, { width, height });
}

function matches(query: string): boolean {
  return [...query.matchAll(/\((max|min)-(width|height):\s*(\d+)px\)/g)].every(([, end, side, px]) => {
    const size = view[side as 'width' | 'height'];
    return end === 'max' ? size <= Number(px) : size >= Number(px);
  }) && !query.includes('prefers-');
}

window.matchMedia = (query: string) =>
  Object.assign(new EventTarget(), {
    matches: matches(query),
    media: query,
    onchange: null,
    addListener: () => {},
    removeListener: () => {},
  }) as MediaQueryList;

HTMLDialogElement.prototype.showModal ??= function (this: HTMLDialogElement) {
  this.setAttribute('open', '');
};
HTMLDialogElement.prototype.close ??= function (this: HTMLDialogElement) {
  this.removeAttribute('open');
};
HTMLCanvasElement.prototype.getContext = () => null;
globalThis.ResizeObserver ??= class {
  observe(): void {}
  unobserve(): void {}
  disconnect(): void {}
};
// Transitions end at once.
Element.prototype.animate ??= function () {
  const animation = { cancel: () => {}, finish: () => {}, onfinish: null as null | (() => void), currentTime: 0, playState: 'finished' };
  queueMicrotask(() => animation.onfinish?.());
  return animation as unknown as Animation;
};

beforeEach(() => {
  resizeTo(1180, 800);
  speak('en');
  vi.spyOn(console, 'warn').mockImplementation(() => {});
});

afterEach(() => {
  cleanup();
  localStorage.clear();
  vi.useRealTimers();
});
