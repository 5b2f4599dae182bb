/** The short messages above the bar: a few at a time, gone by themselves, never in the way. */

export type Toast = { id: number; text: string; urgent: boolean };

const SHOWN = 3;
const SHOWN_MS = 6_000;
/** Explanations and urgent words are longer and matter more. */
const URGENT_MS = 12_000;

export class Notices {
  toasts = $state.raw<Toast[]>([]);
  #timers = new Map<number, ReturnType<typeof setTimeout>>();
  #next = 1;

  show(text: string, urgent = false): void {
    for (const same of this.toasts.filter((toast) => toast.text === text)) this.dismiss(same.id);
    const toast = { id: this.#next++, text, urgent };
    for (const old of this.toasts.slice(0, Math.max(0, this.toasts.length - SHOWN + 1))) this.dismiss(old.id);
    this.toasts = [...this.toasts, toast];
    this.#timers.set(toast.id, setTimeout(() => this.dismiss(toast.id), urgent ? URGENT_MS : SHOWN_MS));
  }

  dismiss(id: number): void {
    clearTimeout(this.#timers.get(id));
    this.#timers.delete(id);
    this.toasts = this.toasts.filter((toast) => toast.id !== id);
  }

  clear(): void {
    for (const toast of this.toasts) this.dismiss(toast.id);
  }
}
