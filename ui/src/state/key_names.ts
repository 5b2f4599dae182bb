/** Key combinations as the shell writes them (`Ctrl+Shift+KeyM`), as the keyboard gives them, and as people read them. */
import { t } from '../words/words.svelte';

const MODIFIERS = /^(Control|Alt|Shift|Meta|OS|Super|Hyper|Fn)(Left|Right|Lock)?$|^(CapsLock|NumLock)$/;

/** What is pressed, once it is more than modifiers. */
export function pressedKeys(event: KeyboardEvent): string | null {
  if (!event.code || event.code === 'Unidentified' || MODIFIERS.test(event.code)) return null;
  const held: [string, boolean][] = [
    ['Ctrl', event.ctrlKey],
    ['Alt', event.altKey],
    ['Shift', event.shiftKey],
    ['Super', event.metaKey],
  ];
  return [...held.flatMap(([name, down]) => (down ? [name] : [])), event.code].join('+');
}

/** What stands on the keys, one word for each. */
export function keyWords(keys: string): string[] {
  return keys.split('+').map((key) => {
    if (key === 'Space') return t('key.space');
    return key.replace(/^(Key|Digit)(?=.$)/, '').replace(/^Numpad(?=.)/, 'Num ');
  });
}
