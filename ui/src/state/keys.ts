/** The keys of the room (14): single letters only while nobody types and nothing is being asked. */
import type { App } from './app.svelte';
import { list } from '../words/words.svelte';
import { letterOf, type Asked } from './shortcuts.svelte';

/** Parts of the window in the order F6 goes through them; `data-part` marks them. */
const PARTS = ['called', 'invitation', 'door', 'stage', 'audience', 'hands', 'chat', 'bar', 'rooms'];
const TYPED_INTO = 'textarea, select, input:not([type="checkbox"], [type="radio"], [type="range"], [type="button"])';

export function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || target.matches(TYPED_INTO));
}

/** What the list of keys shows and `onKey` does. */
export function onKey(app: App, event: KeyboardEvent): void {
  if (event.defaultPrevented || event.isComposing) return;
  const act = isQuit(app, event) ? () => void app.ask(app.window.quit()) : actFor(app, event);
  if (!act) return;
  event.preventDefault();
  act();
}

/** Acts of the window as a whole; those about one person or one hand belong to their tile or card. */
function acts(app: App): Partial<Record<Asked, () => void>> {
  const everywhere = {
    keys: () => app.dialogs.show({ what: 'keys' }),
    ...(!app.screen.mini && { sound: () => app.dialogs.show({ what: 'sound' }) }),
  };
  if (!app.call.room) return everywhere;
  return {
    ...everywhere,
    mute: () => void app.toggleMicrophone(),
    hand: () => void app.toggleHand(),
    talking: () => tellWhoIsTalking(app),
    ...(!app.screen.mini && { chat: () => app.showChat(!app.screen.chatShown), react: () => app.showReactions() }),
  };
}

function actFor(app: App, event: KeyboardEvent): (() => void) | undefined {
  if (app.dialogs.open || !app.home.view?.name) return undefined;
  if (isTalkKey(app, event)) return () => app.holdToTalk(true);
  const asked = app.shortcuts.asked(event, isTyping(event.target));
  return (asked && acts(app)[asked]) ?? (app.call.room ? roomKey(app, event) : undefined);
}

function isQuit(app: App, event: KeyboardEvent): boolean {
  return app.backend.isHouse && event.ctrlKey && !event.altKey && !event.shiftKey && letterOf(event) === 'Q';
}

/** Space that came up; also whatever was asked meanwhile. */
export function onKeyUp(app: App, event: KeyboardEvent): void {
  if (event.key === ' ') app.holdToTalk(false);
}

/** Space is push to talk, unless it types or presses what somebody went to with the keyboard. */
function isTalkKey(app: App, event: KeyboardEvent): boolean {
  if (event.key !== ' ' || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return false;
  if (!app.home.view?.computer.pushToTalk || !app.call.room?.onStage) return false;
  return !(event.target instanceof HTMLElement && event.target.matches('button:focus-visible, [tabindex="0"]:focus-visible'));
}

function roomKey(app: App, event: KeyboardEvent): (() => void) | undefined {
  const { ctrlKey, metaKey, altKey, shiftKey } = event;
  if (event.key === 'F6') return () => movePart(shiftKey ? -1 : 1);
  if (ctrlKey && !altKey && !shiftKey && letterOf(event) === 'L') return () => void app.leave();
  if (event.key === 'Escape' && !ctrlKey && !metaKey && !altKey && !isTyping(event.target)) return () => putAway(app);
  return undefined;
}

function putAway(app: App): void {
  app.screen.handsSheet = false;
  app.screen.chatShown = false;
  app.notices.clear();
}

function tellWhoIsTalking(app: App): void {
  const stage = app.call.room?.stage ?? [];
  const names = stage.filter(({ id }) => app.sound.levels.talking.has(id)).map(({ name }) => name);
  app.whoIsTalking(names, list(names));
}

function movePart(step: 1 | -1): void {
  const parts = PARTS.flatMap((name) => document.querySelector<HTMLElement>(`[data-part="${name}"]`) ?? []);
  const reachable = parts.flatMap((part) => {
    const entry = entryOf(part);
    return entry ? [{ part, entry }] : [];
  });
  if (reachable.length === 0) return;
  const here = reachable.findIndex(({ part }) => part.contains(document.activeElement));
  const next = here < 0 ? (step > 0 ? 0 : reachable.length - 1) : (here + step + reachable.length) % reachable.length;
  reachable[next]?.entry.focus();
}

/** What a part says takes focus in it, itself perhaps, else its first control. */
function entryOf(part: HTMLElement): HTMLElement | null {
  if (part.matches('[data-entry]')) return part;
  const first = 'button:not([tabindex="-1"]), select, input';
  return part.querySelector<HTMLElement>('[data-entry]') ?? part.querySelector<HTMLElement>(first);
}
