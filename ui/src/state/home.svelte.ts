/** Who one is, where one could go, and how the last visit ended. */
import type { AppView, ClosedReason, Code, Refusal } from '../backend/backend';

export type Closed = { reason: ClosedReason; link: string | null };

export class HomeStore {
  view = $state.raw<AppView | null>(null);
  /** The app itself could not open. */
  failure = $state.raw<Refusal | null>(null);
  closed = $state.raw<Closed | null>(null);
  /** The title of the room that ended with the program the last time, until it is put away. */
  interrupted = $state.raw<string | null>(null);
  /** How the room ended from which one came here. */
  left = $state.raw<ClosedReason | null>(null);
  /** On the way into a room. */
  entering = $state(false);
  /** The problem that the person has put away. */
  #seenProblem = $state.raw<Code | null>(null);

  /** Something that went wrong without stopping the app, until it is put away. */
  problem = $derived(this.view?.problem && this.view.problem.code !== this.#seenProblem ? this.view.problem : null);

  /** True: it was news. An older or repeated view changes nothing. */
  take(view: AppView): boolean {
    if (this.view && view.revision <= this.view.revision) return false;
    this.view = view;
    return true;
  }

  putAwayProblem(): void {
    this.#seenProblem = this.view?.problem?.code ?? null;
  }
}
