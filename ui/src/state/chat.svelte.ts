/**
 * The chat of the room: the last messages, and which of them are new to whoever reads.
 *
 * Rust folds the same events (`protocol/src/chat.rs`); the shared vectors `protocol/vectors/chat.json` hold the two
 * equal.
 */
import type { ChatEvent, ChatMessage, PersonId, TopicChange } from '../backend/backend';

/** Messages that are kept: as many as the house keeps. */
export const CHAT_KEPT = 200;
/** A message, in characters. */
export const MESSAGE_CHARACTERS = 500;

/** What a change of the room says of the chat. */
export function chatIn(change: TopicChange): ChatEvent[] {
  return change.topic === 'chat' ? change.stream : [];
}

/** The messages after this event, oldest first; those that it is not about are the same objects as before. */
export function foldChat(messages: readonly ChatMessage[], event: ChatEvent): ChatMessage[] {
  const others = (id: number) => messages.filter((message) => message.id !== id);
  switch (event.type) {
    case 'opened':
      return event.messages.slice(-CHAT_KEPT);
    case 'said':
      return [...others(event.message.id), event.message].sort((a, b) => a.id - b.id).slice(-CHAT_KEPT);
    case 'takenBack':
      return others(event.id);
    case 'removed':
      return messages.map((message) => (message.id === event.id ? { ...message, text: null } : message));
    default:
      // From a newer house.
      return [...messages];
  }
}

export class ChatStore {
  messages: ChatMessage[] = $state.raw([]);
  /** What is being written, also while the panel is closed. */
  draft = $state('');
  /** The id of the last message that was seen; null: nothing was told yet. */
  #seen: number | null = $state.raw(null);
  readonly #own: () => PersonId;

  /** Messages of others that came since the chat was looked at. */
  unread = $derived.by(() => {
    const seen = this.#seen ?? 0;
    return this.messages.filter(({ id, person, text }) => id > seen && text !== null && person !== this.#own()).length;
  });

  constructor(own: () => PersonId) {
    this.#own = own;
  }

  take(events: readonly ChatEvent[]): void {
    for (const event of events) {
      this.messages = foldChat(this.messages, event);
      // What was written before one came in is no news.
      if (event.type === 'opened' && this.#seen === null) this.see();
      this.#seen ??= 0;
    }
  }

  /** Everything that is there has been seen. */
  see(): void {
    this.#seen = Math.max(this.#seen ?? 0, this.messages.at(-1)?.id ?? 0);
  }
}
