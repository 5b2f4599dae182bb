/** The keys of the room (14): single letters only while nobody types and nothing is being asked. */
import type { App } from './app.svelte';
import { list } from '../words/words.svelte';

/** Parts of the room in the order F6 goes through them; `data-part` marks them. */
const PARTS = ['stage', 'audience', 'hands', 'bar'];

export function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
}

/** What the list of keys shows and `onKey` does. */
export function onKey(app: App, event: KeyboardEvent): void {
  if (event.defaultPrevented || app.dialogs.open || !app.home.view?.name) return;
  if (event.key === '?' && !isTyping(event.target)) {
    event.preventDefault();
    app.dialogs.show({ what: 'keys' });
    return;
  }
  if (event.key.toLowerCase() === 's' && isPlain(event) && !app.screen.mini) {
    event.preventDefault();
    app.dialogs.show({ what: 'sound' });
    return;
  }
  const { room } = app.call;
  if (!room) return;
  if (event.key === 'F6') {
    event.preventDefault();
    movePart(event.shiftKey ? -1 : 1);
    return;
  }
  if (event.key.toLowerCase() === 'l' && event.ctrlKey && !event.altKey && !event.shiftKey) {
    event.preventDefault();
    void app.leave();
    return;
  }
  if (!isPlain(event)) return;
  if (event.key === 'Escape') {
    app.screen.handsSheet = false;
    app.notices.clear();
    return;
  }
  const act = letters(app)[event.key.toLowerCase()];
  if (!act) return;
  event.preventDefault();
  act();
}

/** A single letter, while nobody types. */
function isPlain(event: KeyboardEvent): boolean {
  return !(event.ctrlKey || event.metaKey || event.altKey || event.repeat || isTyping(event.target));
}

function letters(app: App): Record<string, () => void> {
  return {
    m: () => void app.toggleMicrophone(),
    h: () => void app.toggleHand(),
    t: () => tellWhoIsTalking(app),
  };
}

function tellWhoIsTalking(app: App): void {
  const stage = app.call.room?.stage ?? [];
  const names = stage.filter(({ id }) => app.sound.levels.talking.has(id)).map(({ name }) => name);
  app.whoIsTalking(names, list(names));
}

function movePart(step: 1 | -1): void {
  const parts = PARTS.flatMap((name) => document.querySelector<HTMLElement>(`[data-part="${name}"]`) ?? []);
  const reachable = parts.flatMap((part) => {
    const first = firstFocusable(part);
    return first ? [{ part, first }] : [];
  });
  if (reachable.length === 0) return;
  const here = reachable.findIndex(({ part }) => part.contains(document.activeElement));
  const next = here < 0 ? (step > 0 ? 0 : reachable.length - 1) : (here + step + reachable.length) % reachable.length;
  reachable[next]?.first.focus();
}

function firstFocusable(part: HTMLElement): HTMLElement | null {
  return part.querySelector<HTMLElement>('li[tabindex="0"], button:not([tabindex="-1"]), select, input');
}
