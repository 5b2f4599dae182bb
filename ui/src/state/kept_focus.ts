/** Focus that does not fall out of a list: when the entry that has it goes, the one that took its place gets it. */
import { tick } from 'svelte';

export class KeptFocus {
  #at: number | null = null;

  /** The entry at this index has focus, or something in it. */
  entered(index: number): void {
    if (index >= 0) this.#at = index;
  }

  /** An entry that is taken away loses focus to nowhere; one that is left loses it to something. */
  left(event: FocusEvent): void {
    if (event.relatedTarget) this.#at = null;
  }

  /** To be called when the entries change. `otherwise`: what takes focus when there is no entry any more. */
  async restore(entries: () => HTMLElement[], otherwise?: () => HTMLElement | null): Promise<void> {
    await tick();
    if (this.#at === null || document.activeElement !== document.body) return;
    const all = entries();
    (all[Math.min(this.#at, all.length - 1)] ?? otherwise?.())?.focus();
  }
}
