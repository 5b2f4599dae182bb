/** One imagined room by the rules of the house, near enough to live in: who is here, hands, invitations, refusals. */
import { isOnStage } from '../backend';
import type {
  Code,
  Command,
  HandScope,
  InvitationState,
  Notice,
  PersonId,
  Result,
  Role,
  RoomCard,
  RoomTime,
  RoomView,
} from '../backend';

const STAGE_LIMIT = 12;
const LISTED = 200;
const TURN_INVITATION_MS = 60_000;
const INVITATION_MS = 5 * 60_000;
const HAND_AGAIN_MS = 30_000;
const EMPTY_STAGE_MS = 5 * 60_000;

type Invitation = { by: string; answersHand: boolean; until: RoomTime; state: InvitationState };

export type Guest = {
  id: PersonId;
  name: string;
  role: Role;
  muted: boolean;
  away: boolean;
  handSince: RoomTime | null;
  handBlockedUntil: RoomTime | null;
  invitation: Invitation | null;
};

const ranks: Record<Role, number> = { host: 0, moderator: 1, speaker: 2, listener: 3 };

export class FakeRoom {
  readonly id: string;
  title: string;
  scope: HandScope = 'everyone';
  savesUpload = false;
  host = '';
  guests: Guest[] = [];
  endsAt: RoomTime | null = null;
  tell: (person: PersonId, notice: Notice) => void = () => {};
  close: (person: PersonId, reason: 'left' | 'ended' | 'removed') => void = () => {};
  #clock: () => RoomTime;

  constructor(id: string, title: string, clock: () => RoomTime) {
    this.id = id;
    this.title = title;
    this.#clock = clock;
  }

  get now(): RoomTime {
    return this.#clock();
  }

  enter(id: PersonId, name: string, role: Role = 'listener', muted = true): Guest {
    const guest: Guest = {
      id, name, role, muted, away: false, handSince: null, handBlockedUntil: null, invitation: null,
    }; // prettier-ignore
    this.guests.push(guest);
    if (role === 'host') this.host = name;
    return guest;
  }

  guest(id: PersonId): Guest | undefined {
    return this.guests.find((guest) => guest.id === id);
  }

  named(name: string): Guest {
    const guest = this.guests.find((someone) => someone.name === name);
    if (!guest) throw new Error(`nobody called ${name} is here`);
    return guest;
  }

  get stage(): Guest[] {
    return this.guests.filter(({ role }) => isOnStage(role)).sort((a, b) => ranks[a.role] - ranks[b.role]);
  }

  get audience(): Guest[] {
    return this.guests.filter(({ role }) => role === 'listener');
  }

  get queue(): Guest[] {
    return this.guests.filter(({ handSince }) => handSince !== null).sort((a, b) => (a.handSince ?? 0) - (b.handSince ?? 0));
  }

  card(): RoomCard {
    const stage = this.stage.map(({ id, name }) => ({ id, name }));
    return { id: this.id, title: this.title, host: this.host, stage, listeners: this.audience.length };
  }

  view(me: PersonId): RoomView {
    const you = this.guest(me);
    if (!you) throw new Error('a view needs somebody who looks');
    const moderates = you.role === 'host' || you.role === 'moderator';
    const person = ({ id, name, role, muted, away, handSince }: Guest) => ({
      id, name, role, muted, away, hand: handSince !== null && (moderates || id === me),
    }); // prettier-ignore
    const queue = this.queue;
    const place = queue.indexOf(you) + 1;
    const open = you.invitation?.state === 'open' ? you.invitation : null;
    return {
      id: this.id,
      title: this.title,
      host: this.host,
      now: this.now,
      you: {
        id: me,
        role: you.role,
        muted: you.muted,
        place: place > 0 ? place : null,
        handBlockedUntil: you.handBlockedUntil !== null && you.handBlockedUntil > this.now ? you.handBlockedUntil : null,
        invitation: open && { by: open.by, answersHand: open.answersHand, until: open.until },
        successor: this.#successor(you)?.name ?? null,
      },
      stage: this.stage.map(person),
      audience: this.audience.slice(0, LISTED).map(person),
      listeners: this.audience.length,
      stageLimit: STAGE_LIMIT,
      savesUpload: this.savesUpload,
      hands: {
        scope: this.scope,
        count: isOnStage(you.role) ? queue.length : 0,
        queue: isOnStage(you.role)
          ? queue.map(({ id, name, handSince }) => ({ person: id, name, raisedAt: handSince ?? 0 }))
          : [],
      },
      invitations: moderates
        ? this.guests.flatMap(({ id, name, invitation }) =>
            invitation ? [{ person: id, name, state: invitation.state }] : [],
          )
        : [],
      endsAt: this.endsAt,
    };
  }

  /** Carries out one wish or refuses it. */
  command(actor: PersonId, command: Command): Result<null> {
    const you = this.guest(actor);
    if (!you) return refuse('not_in_room');
    const code = this.#carryOut(you, command);
    this.#keepInvariants();
    return code ? refuse(code) : { status: 'ok', data: null };
  }

  #carryOut(you: Guest, command: Command): Code | null {
    switch (command.type) {
      case 'raiseHand':
        return this.#raiseHand(you);
      case 'lowerHand':
        you.handSince = null;
        return null;
      case 'acceptInvitation':
        return this.#accept(you);
      case 'declineInvitation':
        return this.#decline(you);
      case 'setMuted':
        if (!isOnStage(you.role)) return 'not_on_stage';
        you.muted = command.muted;
        return null;
      case 'moveToAudience':
        if (command.person === null) return this.#sitDown(you);
        return this.#onSomebody(you, command.person, (other) => {
          this.tell(other.id, { type: 'movedToAudience' });
          return this.#sitDown(other);
        });
      case 'saveUpload':
        if (you.role !== 'host') return 'not_allowed';
        this.savesUpload = command.saves;
        return null;
      case 'leave':
        return this.#leave(you, 'left');
      case 'endRoom':
        if (you.role !== 'host') return 'not_allowed';
        for (const guest of [...this.guests]) this.close(guest.id, 'ended');
        this.guests = [];
        return null;
      default:
        return ranks[you.role] > ranks.moderator ? 'not_allowed' : this.#moderate(you, command);
    }
  }

  #moderate(you: Guest, command: Command): Code | null {
    switch (command.type) {
      case 'invite':
        return this.#invite(you, command.person);
      case 'cancelInvitation': {
        const guest = this.guest(command.person);
        if (guest?.invitation?.state !== 'open') return 'invitation_gone';
        guest.invitation = null;
        this.tell(guest.id, { type: 'invitationCancelled' });
        return null;
      }
      case 'dismissHand': {
        const guest = this.guest(command.person);
        if (!guest) return 'person_not_here';
        if (guest.handSince === null) return 'hand_not_up';
        guest.handSince = null;
        guest.handBlockedUntil = this.now + HAND_AGAIN_MS;
        this.tell(guest.id, { type: 'handDismissed' });
        return null;
      }
      case 'lowerAllHands':
        for (const guest of this.queue) guest.handSince = null;
        return null;
      case 'setHandScope':
        this.scope = command.scope;
        return null;
      case 'muteEveryone':
        for (const guest of this.stage) if (guest !== you && !guest.muted) this.#mute(you, guest);
        return null;
      case 'mute':
        return this.#onSomebody(you, command.person, (other) => this.#mute(you, other));
      case 'makeModerator':
        return this.#onSomebody(you, command.person, (other) => this.#become(other, 'moderator', 'youAreModerator'));
      case 'takeModerator':
        return this.#onSomebody(you, command.person, (other) => this.#become(other, 'speaker', 'youAreNotModerator'));
      case 'handOver':
        return this.#onSomebody(you, command.person, (other) => this.#handOver(you, other));
      case 'remove':
        return this.#onSomebody(you, command.person, (other) => this.#leave(other, 'removed'));
      default:
        return 'bad_request';
    }
  }

  #onSomebody(you: Guest, id: PersonId, act: (other: Guest) => Code | null): Code | null {
    const other = this.guest(id);
    if (!other) return 'person_not_here';
    if (other.role === 'host' || ranks[you.role] >= ranks[other.role]) return 'not_allowed';
    return act(other);
  }

  #raiseHand(you: Guest): Code | null {
    if (isOnStage(you.role)) return 'already_on_stage';
    if (this.scope === 'off') return 'hands_off';
    if (this.scope === 'followed') return 'hands_followed_only';
    if (you.handBlockedUntil !== null && you.handBlockedUntil > this.now) return 'hand_too_soon';
    you.handSince ??= this.now;
    for (const { id, role } of this.stage) {
      if (ranks[role] <= ranks.moderator) this.tell(id, { type: 'handRaised', name: you.name, count: this.queue.length });
    }
    return null;
  }

  #invite(you: Guest, person: PersonId): Code | null {
    const guest = this.guest(person);
    if (!guest) return 'person_not_here';
    if (isOnStage(guest.role)) return 'already_on_stage';
    if (this.stage.length >= STAGE_LIMIT) return 'stage_full';
    if (guest.invitation?.state === 'open') return 'already_invited';
    if (guest.invitation?.state === 'later') return 'invite_too_soon';
    const answersHand = guest.handSince !== null;
    const until = this.now + (answersHand ? TURN_INVITATION_MS : INVITATION_MS);
    guest.invitation = { by: you.name, answersHand, until, state: 'open' };
    this.tell(guest.id, answersHand ? { type: 'yourTurn' } : { type: 'invited', by: you.name });
    return null;
  }

  #accept(you: Guest): Code | null {
    if (you.invitation?.state !== 'open') return 'invitation_gone';
    if (this.stage.length >= STAGE_LIMIT) return 'stage_full';
    Object.assign(you, { invitation: null, handSince: null, role: 'speaker', muted: true });
    this.tell(you.id, { type: 'onStage' });
    for (const { id } of this.guests) if (id !== you.id) this.tell(id, { type: 'joinedStage', name: you.name });
    return null;
  }

  #decline(you: Guest): Code | null {
    if (you.invitation?.state !== 'open') return 'invitation_gone';
    you.invitation = { ...you.invitation, state: 'later' };
    you.handSince = null;
    for (const { id, role } of this.stage) {
      if (ranks[role] <= ranks.moderator) this.tell(id, { type: 'saidLater', name: you.name });
    }
    return null;
  }

  #mute(by: Guest, other: Guest): null {
    other.muted = true;
    this.tell(other.id, { type: 'mutedBy', by: by.name });
    return null;
  }

  #become(other: Guest, role: Role, notice: 'youAreModerator' | 'youAreNotModerator'): null {
    other.role = role;
    this.tell(other.id, { type: notice });
    return null;
  }

  #handOver(you: Guest, other: Guest): Code | null {
    if (you.role !== 'host') return 'not_allowed';
    you.role = 'moderator';
    this.#makeHost(other);
    return null;
  }

  #makeHost(guest: Guest): void {
    guest.role = 'host';
    this.host = guest.name;
    for (const { id } of this.guests) {
      this.tell(id, id === guest.id ? { type: 'youAreHost' } : { type: 'newHost', name: guest.name });
    }
  }

  #sitDown(guest: Guest): Code | null {
    if (!isOnStage(guest.role)) return 'not_on_stage';
    if (guest.role === 'host' && !this.#successor(guest)) return 'last_moderator';
    guest.role = 'listener';
    guest.muted = true;
    // The audience is in the order people sat down in it.
    this.guests = [...this.guests.filter((other) => other !== guest), guest];
    return null;
  }

  #leave(guest: Guest, reason: 'left' | 'removed'): null {
    this.guests = this.guests.filter((other) => other !== guest);
    this.close(guest.id, reason);
    return null;
  }

  /** Who would run the room without `you`; only for the host and the last moderator. */
  #successor(you: Guest): Guest | null {
    if (ranks[you.role] > ranks.moderator) return null;
    const others = this.stage.filter((guest) => guest !== you);
    if (you.role === 'moderator' && others.some(({ role }) => ranks[role] <= ranks.moderator)) return null;
    return others[0] ?? null;
  }

  #keepInvariants(): void {
    const stage = this.stage;
    const first = stage[0];
    if (first && first.role !== 'host') this.#makeHost(first);
    this.endsAt = first ? null : (this.endsAt ?? this.now + EMPTY_STAGE_MS);
  }
}

export function refuse(code: Code, detail = 'in the fake house'): { status: 'error'; error: { code: Code; detail: string } } {
  return { status: 'error', error: { code, detail } };
}
