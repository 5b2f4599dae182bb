/** One room as it is shown: the topics of its view, each reactive by itself, and what follows from single topics. */
import type {
  Act,
  Code,
  Counts,
  HandView,
  InvitedView,
  KnockView,
  PersonId,
  PersonView,
  Rights,
  Role,
  RoomRecord,
  RoomSnapshot,
  RoomSwitch,
  RoomTime,
  RoomView,
  TopicChange,
  YouView,
} from '../backend/backend';
import { fold } from '../backend/fold';
import { ChatStore } from './chat.svelte';
import { RoomClock } from './clock.svelte';
import { tagsOf } from './namesakes';
import { ReactionStore } from './reactions.svelte';

type StreamTopic = Extract<TopicChange, { stream: unknown }>['topic'];
type StreamOf<Topic> = Extract<TopicChange, { topic: Topic; stream: unknown }>['stream'];
/** Its entries are those of the topic it stands under. */
type Stream = { take(entries: readonly unknown[]): void };

/** Before the first view; never shown. */
const NOTHING: Pick<RoomView, 'room' | 'counts' | 'you' | 'rights'> = {
  room: { id: '', title: '', host: '', stageLimit: 0, switches: [], handScope: 'off', endsAt: null },
  counts: { listeners: 0 },
  you: {
    id: '',
    role: 'listener',
    muted: true,
    place: null,
    handBlockedUntil: null,
    invitation: null,
    may: [],
    refused: [],
    leavingAsks: false,
    successor: null,
  },
  rights: { may: [], on: [], switches: [], inviteRefused: null },
};

export class RoomStore implements RoomView {
  readonly clock: RoomClock;
  now: RoomTime = $state.raw(0);
  room: RoomRecord = $state.raw(NOTHING.room);
  counts: Counts = $state.raw(NOTHING.counts);
  you: YouView = $state.raw(NOTHING.you);
  rights: Rights = $state.raw(NOTHING.rights);
  stage: PersonView[] = $state.raw([]);
  audience: PersonView[] = $state.raw([]);
  hands: HandView[] = $state.raw([]);
  invitations: InvitedView[] = $state.raw([]);
  door: KnockView[] = $state.raw([]);
  readonly chat = new ChatStore(() => this.you.id);
  readonly reactions = new ReactionStore();
  /** Who takes what is appended to which stream; notices are told by themselves, and others are from a newer house. */
  readonly #streams: { [Topic in StreamTopic]?: { take(entries: StreamOf<Topic>): void } } = {
    chat: this.chat,
    reactions: this.reactions,
  };

  /** Everybody who is in the room, those included whom `audience` does not list. */
  people = $derived(this.stage.length + this.counts.listeners);
  onStage = $derived(this.stage.some(({ id }) => id === this.you.id));
  /** Those whom the reader may make host. */
  heirs = $derived(this.stage.filter(({ id, role }) => id !== this.you.id && this.mayOn('handOver', role)));
  #places = $derived(new Map(this.hands.map(({ id }, index) => [id, index + 1])));
  #invited = $derived(new Map(this.invitations.map((invited) => [invited.id, invited])));
  #tags = $derived(tagsOf([...this.stage, ...this.audience, ...this.hands, ...this.invitations, ...this.door]));

  constructor({ view, streams }: RoomSnapshot, clock = new RoomClock()) {
    this.clock = clock;
    this.replace({ view, streams });
  }

  /** Shows the same room anew. */
  replace({ view, streams }: RoomSnapshot): void {
    Object.assign(this, view);
    this.#append(streams);
    this.clock.set(view.now);
  }

  fold(now: RoomTime, changes: readonly TopicChange[]): void {
    fold(this, now, changes);
    this.#append(changes);
    this.clock.set(now);
  }

  #append(changes: readonly TopicChange[]): void {
    for (const change of changes) {
      if ('stream' in change) (this.#streams[change.topic] as Stream | undefined)?.take(change.stream);
    }
  }

  /** May the reader do this, with nobody else concerned? */
  may(act: Act): boolean {
    return this.you.may.includes(act) || this.rights.may.includes(act);
  }

  /** Why the reader, whose role allows it, cannot do this now; null if nothing is in the way. */
  whyNot(act: Act): Code | null {
    return this.you.refused.find((refused) => refused.act === act)?.code ?? null;
  }

  isOn(name: RoomSwitch): boolean {
    return this.room.switches?.includes(name) ?? false;
  }

  mayTurn(name: RoomSwitch): boolean {
    return this.rights.switches?.includes(name) ?? false;
  }

  /** May the reader do this to somebody else of that role? */
  mayOn(act: Act, role: Role): boolean {
    return this.rights.on.some((entry) => entry.act === act && entry.roles.includes(role));
  }

  /** May the reader do this to anybody at all? */
  mayOnAnybody(act: Act): boolean {
    return this.rights.on.some((entry) => entry.act === act);
  }

  /** Place in line, 1 is next; null without a raised hand, or where the reader is not told. */
  placeOf(person: PersonId): number | null {
    return person === this.you.id ? this.you.place : (this.#places.get(person) ?? null);
  }

  invitationOf(person: PersonId): InvitedView | null {
    return this.#invited.get(person) ?? null;
  }

  /** "#3fQx" beside a name that looks like another name in this room; empty otherwise. */
  tagOf(person: PersonId): string {
    return this.#tags.get(person) ?? '';
  }

  /** The display name, and what tells its bearer from namesakes. */
  nameOf({ id, name }: { id: PersonId; name: string }): string {
    const tag = this.tagOf(id);
    return tag ? `${name} ${tag}` : name;
  }
}
