/**
 * The acts that have a letter of their own: which letter each is, and whether letters act at all (14.6). With Ctrl and
 * Shift held every act has a second key, which is always on: a screen reader keeps single letters for itself.
 *
 * Kept by the page, in the storage of its window.
 */

/** In the order of the list of keys. */
export const SHORTCUTS = ['mute', 'hand', 'talking', 'chat', 'react', 'sound', 'voice', 'invite', 'dismiss'] as const;
export type Shortcut = (typeof SHORTCUTS)[number];
/** `keys`: the list of them, "?" by itself. */
export type Asked = Shortcut | 'keys';

const USUAL: Readonly<Record<Shortcut, string>> = {
  mute: 'M', hand: 'H', talking: 'T', chat: 'C', react: 'R', sound: 'S', voice: 'V', invite: 'I', dismiss: 'D',
}; // prettier-ignore
/** With Ctrl and Shift. T, C and R are left out: with them browsers open their last page again, their tools, and this page anew. */
const HELD: Readonly<Record<Asked, string>> = { ...USUAL, talking: 'A', chat: 'F', react: 'X', keys: 'K' };
const KEPT_AS = 'serambi.shortcuts';

type Kept = Pick<Storage, 'getItem' | 'setItem'>;

export class Shortcuts {
  /** Single letters act. */
  single = $state(true);
  letters = $state.raw<Readonly<Record<Shortcut, string>>>(USUAL);
  readonly #kept: Kept | null;

  constructor(kept: Kept | null = storageOfThePage()) {
    this.#kept = kept;
    const { single, letters } = read(kept?.getItem(KEPT_AS) ?? null);
    this.single = single;
    this.letters = letters;
  }

  /** What a press asks for. While somebody types a letter is a letter. */
  asked(event: KeyboardEvent, typing: boolean): Asked | null {
    if (event.metaKey || event.altKey || event.repeat) return null;
    if (event.ctrlKey) return event.shiftKey ? actOf(HELD, letterOf(event)) : null;
    if (typing || !this.single) return null;
    return event.key === '?' ? 'keys' : actOf(this.letters, letterOf(event));
  }

  turn(single: boolean): void {
    this.single = single;
    this.#keep();
  }

  /** Gives the act this letter; an act that has it takes the other's, so that no letter means two things. */
  change(shortcut: Shortcut, letter: string): void {
    const other = SHORTCUTS.find((one) => this.letters[one] === letter);
    this.letters = { ...this.letters, ...(other && { [other]: this.letters[shortcut] }), [shortcut]: letter };
    this.#keep();
  }

  reset(): void {
    this.letters = USUAL;
    this.#keep();
  }

  get isUsual(): boolean {
    return SHORTCUTS.every((one) => this.letters[one] === USUAL[one]);
  }

  /** The letter to be drawn on a button; empty while letters do nothing. */
  letter(shortcut: Shortcut): string {
    return this.single ? this.letters[shortcut] : '';
  }

  /** In a sentence: "M", or "Ctrl+Shift+M". */
  said(shortcut: Shortcut): string {
    return this.single ? this.letters[shortcut] : this.held(shortcut).join('+');
  }

  held(asked: Asked): string[] {
    return ['Ctrl', 'Shift', HELD[asked]];
  }

  /** For `aria-keyshortcuts`. */
  spoken(shortcut: Shortcut): string {
    return `${this.letter(shortcut)} Control+Shift+${HELD[shortcut]}`.trim();
  }

  #keep(): void {
    this.#kept?.setItem(KEPT_AS, JSON.stringify({ single: this.single, letters: this.letters }));
  }
}

/**
 * The letter of a key as it is printed in the Latin alphabet: what the layout says, or, where its letters are others,
 * the one that stands in that place.
 */
export function letterOf({ key, code }: Pick<KeyboardEvent, 'key' | 'code'>): string | null {
  const letter = key.toUpperCase();
  if (/^[A-Z]$/.test(letter)) return letter;
  const isOther = key === 'Process' || (/^[\p{L}\p{M}]+$/u.test(key) && !/\p{Script=Latin}/u.test(key));
  return isOther ? (/^Key([A-Z])$/.exec(code)?.[1] ?? null) : null;
}

function actOf<Act extends string>(letters: Readonly<Record<Act, string>>, letter: string | null): Act | null {
  return (Object.keys(letters) as Act[]).find((act) => letters[act] === letter) ?? null;
}

/** What was kept; whatever is not as we wrote it counts for nothing. */
function read(text: string | null): { single: boolean; letters: Readonly<Record<Shortcut, string>> } {
  try {
    const { single, letters } = JSON.parse(text ?? '') as { single: unknown; letters: Record<string, unknown> };
    // Kept before these had a letter.
    for (const later of ['chat', 'react'] as const) {
      if (!(later in letters)) letters[later] = Object.values(letters).includes(USUAL[later]) ? HELD[later] : USUAL[later];
    }
    const all = SHORTCUTS.map((one) => letters[one]);
    const whole = all.every((letter) => /^[A-Z]$/.test(String(letter))) && new Set(all).size === SHORTCUTS.length;
    return { single: single !== false, letters: whole ? (letters as Record<Shortcut, string>) : USUAL };
  } catch {
    return { single: true, letters: USUAL };
  }
}

function storageOfThePage(): Kept | null {
  try {
    return localStorage;
  } catch {
    // A page may be forbidden to keep anything.
    return null;
  }
}
