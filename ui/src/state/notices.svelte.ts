/** The short messages above the bar: a few at a time, gone by themselves or with what they were about. */
import type { Cause } from './causes';

export type Toast = { id: number; text: string; urgent: boolean };

/** Why a message stands, and whether that was so already: it may be told a moment before it is shown. */
type Standing = { holds: Cause; held: boolean };

const SHOWN = 3;
const SHOWN_MS = 6_000;
/** Explanations and urgent words are longer and matter more. */
const URGENT_MS = 12_000;

export class Notices {
  toasts = $state.raw<Toast[]>([]);
  #causes = new Map<number, Standing>();
  #timers = new Map<number, ReturnType<typeof setTimeout>>();
  #next = 1;

  /** `cause`: taken back as soon as it holds no more. */
  show(text: string, urgent = false, cause: Cause | null = null): void {
    for (const same of this.toasts.filter((toast) => toast.text === text)) this.dismiss(same.id);
    const toast = { id: this.#next++, text, urgent };
    for (const old of this.toasts.slice(0, Math.max(0, this.toasts.length - SHOWN + 1))) this.dismiss(old.id);
    this.toasts = [...this.toasts, toast];
    if (cause) this.#causes.set(toast.id, { holds: cause, held: cause() });
    this.#timers.set(toast.id, setTimeout(() => this.dismiss(toast.id), urgent ? URGENT_MS : SHOWN_MS));
  }

  dismiss(id: number): void {
    clearTimeout(this.#timers.get(id));
    this.#timers.delete(id);
    this.#causes.delete(id);
    this.toasts = this.toasts.filter((toast) => toast.id !== id);
  }

  /** To be called when anything changed that a message may be about. */
  look(): void {
    for (const [id, standing] of this.#causes) {
      const holds = standing.holds();
      if (standing.held && !holds) this.dismiss(id);
      standing.held = holds;
    }
  }

  clear(): void {
    for (const toast of this.toasts) this.dismiss(toast.id);
  }
}
